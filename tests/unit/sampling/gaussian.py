"""A denoiser that is known exactly: that of data which are one normal distribution. A second implementation of every sampler's problem."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from app.sampling.brownian import Interval
from app.sampling.protocol import Denoise, Sampler

MEAN, SPREAD = 0.7, 1.3


def denoise(question: Denoise) -> Tensor:
    """The mean of the data given noisy ones; on timesteps the noise that it leaves."""
    scale = 1.0 if question.timestep is None else (1 + question.sigma**2) ** 0.5
    noisy = question.x * scale
    answer = MEAN + (noisy - MEAN) * (SPREAD**2 / (SPREAD**2 + question.sigma**2))
    if question.timestep is not None:
        answer = (noisy - answer) / question.sigma
    return torch.stack([answer, answer]) if question.both else answer


def solution(x: Tensor, sigma: float, following: float) -> Tensor:
    """Where the probability-flow ODE leads from `sigma` to `following`."""
    return MEAN + (x - MEAN) * ((SPREAD**2 + following**2) / (SPREAD**2 + sigma**2)) ** 0.5


def run(sampler: Sampler) -> tuple[Tensor, int]:
    """The sampler's last latents, and how often it asked."""
    calls = 0
    try:
        question = next(sampler)
        while True:
            calls += 1
            question = sampler.send(denoise(question))
    except StopIteration as end:
        return end.value, calls


class NoNoise:
    """For samplers that must not need any."""

    def draw(self) -> Tensor:
        raise AssertionError("noise was drawn")

    def increments(self, low: float, high: float, intervals: Sequence[Interval]) -> Iterator[Tensor]:
        raise AssertionError("noise was drawn")
