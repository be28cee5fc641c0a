"""Euler: one denoiser call a step, first order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import churned, levels, slope


def euler(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 2 without its second-order correction)."""
    for sigma, following in pairwise(levels(sigmas, x)):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, options)
        denoised = yield Denoise(x, float(raised))
        x = x + slope(x, raised, denoised) * (following - raised)
    return x
