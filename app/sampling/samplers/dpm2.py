"""DPM2: a second denoiser call half-way, second order."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, churned


def dpm2(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver-2 (Lu et al. 2022a, algorithm 1 with r = 1/2) in sigmas, with the churn of Karras et al. 2022."""
    for sigma, following in pairwise(sigmas):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, options)
        x = yield from _midpoint_step(x, raised, following)
    return x


def dpm2_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM2 with ancestral steps (Song et al. 2021, equation 16)."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, following in pairwise(sigmas):
        down, up = ancestral_split(sigma, following, eta)
        x = yield from _midpoint_step(x, sigma, down)
        if down > 0:
            x = x + noise.draw() * (options.s_noise * up)
    return x


def _midpoint_step(x: Tensor, sigma: float, following: float) -> Sampler:
    """One step with the slope at the geometric mean of both levels; Euler's to 0, which has no mean with anything."""
    slope = (x - (yield Denoise(x, sigma))) / sigma
    if following == 0:
        return x - slope * sigma
    middle = sqrt(sigma * following)
    half = x + slope * (middle - sigma)
    slope_there = (half - (yield Denoise(half, middle))) / middle
    return x + slope_there * (following - sigma)
