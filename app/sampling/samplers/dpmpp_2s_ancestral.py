"""DPM++ 2S a: two denoiser calls a step, second order, ancestral."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split


def dpmpp_2s_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r = 1/2) with ancestral steps."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, following in pairwise(sigmas):
        denoised = yield Denoise(x, sigma)
        down, up = ancestral_split(sigma, following, eta)
        if down > 0:
            middle = sqrt(sigma * down)
            denoised = yield Denoise(denoised + (x - denoised) * (middle / sigma), middle)
        x = denoised + (x - denoised) * (down / sigma)
        if following > 0:
            x = x + noise.draw() * (options.s_noise * up)
    return x
