"""DPM++ 2M: one denoiser call a step, second order from the step before."""

from collections.abc import Sequence
from itertools import pairwise
from math import log

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler


def dpmpp_2m(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2), in sigmas: there exp(-h) is the ratio of two of them."""
    earlier: Tensor | None = None
    last_h = 0.0
    for sigma, following in pairwise(sigmas):
        denoised = yield Denoise(x, sigma)
        if following == 0:
            return denoised
        h = log(sigma / following)
        target = denoised if earlier is None else denoised + (denoised - earlier) * (h / (2 * last_h))
        x = target + (x - target) * (following / sigma)
        earlier, last_h = denoised, h
    return x
