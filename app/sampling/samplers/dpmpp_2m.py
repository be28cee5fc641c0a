"""DPM++ 2M: one denoiser call a step, second order from the step before."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import levels, sigma_of, time_of


def dpmpp_2m(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2), in sigmas: there exp(-h) is the ratio of two of them."""
    earlier: Tensor | None = None
    last_h: Tensor | None = None
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        if following == 0:
            return denoised
        t, end = time_of(sigma), time_of(following)
        h = end - t
        target = denoised
        if earlier is not None and last_h is not None:
            share = 1 / (2 * (last_h / h))
            target = (1 + share) * denoised - share * earlier
        x = sigma_of(end) / sigma_of(t) * x - (-h).expm1() * target
        earlier, last_h = denoised, h
    return x
