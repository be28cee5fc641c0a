"""Euler: one denoiser call a step, first order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import churned


def euler(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 2 without its second-order correction)."""
    for sigma, following in pairwise(sigmas):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, options)
        denoised = yield Denoise(x, raised)
        x = x + (x - denoised) / raised * (following - raised)
    return x
