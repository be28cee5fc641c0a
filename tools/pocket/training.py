"""What the trainings share: a clock that ends them, the optimizer, averaged weights, mixed precision, the noise schedule."""

import math
import time

import torch


class Clock:
    """Training by the clock: `progress` runs from 0 to 1 over the minutes given.

    On a CPU they are minutes of one core's work: on a busy machine the training takes longer and learns the same.
    """

    def __init__(self, minutes, cpu_threads=None):
        self.clock, self.threads = (time.time, 1) if cpu_threads is None else (time.process_time, cpu_threads)
        self.start, self.seconds = self.clock(), minutes * 60

    @property
    def elapsed(self):
        return (self.clock() - self.start) / self.threads

    @property
    def progress(self):
        return min(1.0, self.elapsed / self.seconds)

    def rate(self, peak, final=0.02, warmup=0.02):
        p = self.progress
        if p < warmup:
            return peak * (p / warmup + 0.01)
        return peak * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (p - warmup) / (1 - warmup))))


class Ema:
    """Averaged weights, which draw better than the last ones; `swap` exchanges the two."""

    def __init__(self, parameters, decay):
        self.parameters, self.decay, self.steps = list(parameters), decay, 0
        self.shadow = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self):
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self):
        for p, s in zip(self.parameters, self.shadow, strict=True):
            kept = p.detach().clone()
            p.copy_(s)
            s.copy_(kept)


def optimizer_of(parameters, rate):
    """AdamW without decay of biases and norms."""
    decayed = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def autocast(device):
    """Mixed precision in bfloat16."""
    return torch.autocast(device_type=torch.device(device).type, dtype=torch.bfloat16)


def alphas_cumprod(steps=1000, start=0.00085, end=0.012):
    """SD 1.x's schedule: cumulative alphas and betas, (1000,) float64."""
    betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0), betas
