"""Heun: two denoiser calls a step, second order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import churned, levels, slope


def heun(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Heun's method on the probability-flow ODE (Karras et al. 2022, algorithm 2)."""
    for sigma, following in pairwise(levels(sigmas, x)):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, options)
        x = yield from heun_step(x, raised, following)
    return x


def heun_step(x: Tensor, sigma: Tensor, following: Tensor) -> Sampler:
    """One step from `sigma` to `following`; Euler's where that is 0, because there is no slope to be had there."""
    here = slope(x, sigma, (yield Denoise(x, float(sigma))))
    guess = x + here * (following - sigma)
    if following == 0:
        return guess
    there = slope(guess, following, (yield Denoise(guess, float(following))))
    return x + (here + there) / 2 * (following - sigma)
