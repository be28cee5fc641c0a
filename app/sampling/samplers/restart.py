"""Restart: Heun steps, with a part of the way walked again after noise has been put back."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.heun import heun_step
from app.sampling.samplers.steps import levels

_FEWEST_STEPS = 20
"""With fewer there is no restart: plain Heun."""
_TWO_RESTARTS = 36
_RESTART_AT, _RESTART_FROM = 0.1, 2.0
"""Between which noise levels the way is walked again; the nearest of the schedule are taken."""


def restart(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Restart sampling (Xu et al. 2023, algorithm 1) with Heun steps; steps spent on restarts are taken from the main way."""
    last: Tensor | None = None
    for step in _way(sigmas):
        sigma, following = levels(step, x)
        if last is not None and sigma > last:
            x = x + noise.draw() * options.s_noise * (sigma**2 - last**2) ** 0.5
        x = yield from heun_step(x, sigma, following)
        last = following
    return x


def _way(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    """The (from, to) of every step, restarts included."""
    steps = len(sigmas) - 1
    if steps < _FEWEST_STEPS:
        return list(pairwise(sigmas))
    times, length = (2, steps // 4) if steps >= _TWO_RESTARTS else (1, 9)
    main = [*_karras(steps - length * times, sigmas[-2], sigmas[0]), 0.0]
    low, high = (min(main, key=lambda sigma: abs(sigma - target)) for target in (_RESTART_AT, _RESTART_FROM))
    again = list(pairwise(_karras(length + 1, low, high)))
    way = []
    for step in pairwise(main):
        way.append(step)
        if step[1] == low and low < high:
            way += again * times
    return way


def _karras(steps: int, sigma_min: float, sigma_max: float) -> list[float]:
    """Karras et al. 2022, equation 5, with rho 7, without the 0; in float32, because a restart begins where two sigmas differ at all."""
    first, last = sigma_max ** (1 / 7), sigma_min ** (1 / 7)
    return [float(sigma) for sigma in (first + torch.linspace(0, 1, steps) * (last - first)) ** 7]
