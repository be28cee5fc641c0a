"""DPM++ 2S a: two denoiser calls a step, second order, ancestral."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, levels, sigma_of, slope, time_of


def dpmpp_2s_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r = 1/2) with ancestral steps."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        down, up = ancestral_split(sigma, following, eta)
        if down == 0:
            x = x + slope(x, sigma, denoised) * (down - sigma)
        else:
            t, end = time_of(sigma), time_of(down)
            h = end - t
            middle = sigma_of(t + h * 0.5)
            half = middle / sigma_of(t) * x - (-h * 0.5).expm1() * denoised
            denoised = yield Denoise(half, float(middle))
            x = sigma_of(end) / sigma_of(t) * x - (-h).expm1() * denoised
        if following > 0:
            x = x + noise.draw() * options.s_noise * up
    return x
