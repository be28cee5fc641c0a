"""DPM2: a second denoiser call half-way, second order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, churned, levels, slope


def dpm2(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver-2 (Lu et al. 2022a, algorithm 1 with r = 1/2) in sigmas, with the churn of Karras et al. 2022."""
    for sigma, following in pairwise(levels(sigmas, x)):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, options)
        x = yield from _midpoint_step(x, raised, following)
    return x


def dpm2_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM2 with ancestral steps (Song et al. 2021, equation 16)."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, following in pairwise(levels(sigmas, x)):
        down, up = ancestral_split(sigma, following, eta)
        x = yield from _midpoint_step(x, sigma, down)
        if down > 0:
            x = x + noise.draw() * options.s_noise * up
    return x


def _midpoint_step(x: Tensor, sigma: Tensor, following: Tensor) -> Sampler:
    """One step with the slope at the geometric mean of both levels; Euler's to 0, which has no mean with anything."""
    here = slope(x, sigma, (yield Denoise(x, float(sigma))))
    if following == 0:
        return x + here * (following - sigma)
    middle = sigma.log().lerp(following.log(), 0.5).exp()
    half = x + here * (middle - sigma)
    there = slope(half, middle, (yield Denoise(half, float(middle))))
    return x + there * (following - sigma)
