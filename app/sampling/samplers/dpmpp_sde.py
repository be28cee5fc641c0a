"""DPM++ SDE: two denoiser calls a step on the diffusion SDE, with noise from one Brownian motion a picture."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler
from app.sampling.samplers.steps import ancestral_split, levels, sigma_of, slope, time_of


def dpmpp_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """A stochastic DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r = 1/2; both parts of a step end in fresh noise)."""
    eta = 1.0 if options.eta is None else options.eta
    steps = [_times(sigma, following) for sigma, following in pairwise(levels(sigmas, x)) if following > 0]
    intervals = [(float(sigma_of(start)), float(sigma_of(to))) for start, middle, end in steps for to in (middle, end)]
    fresh = noise.increments(min(s for s in sigmas if s > 0), max(sigmas), intervals)
    for sigma, (start, middle, end) in zip(sigmas, steps, strict=False):  # the last sigma may have no step of its own
        denoised = yield Denoise(x, sigma)
        half = _moved(x, denoised, start, middle, eta, next(fresh) * options.s_noise)
        denoised = yield Denoise(half, float(sigma_of(middle)))
        x = _moved(x, denoised, start, end, eta, next(fresh) * options.s_noise)
    if sigmas[-1] == 0:
        last, end = levels(sigmas[-2:], x)
        x = x + slope(x, last, (yield Denoise(x, sigmas[-2]))) * (end - last)
    return x


def _times(sigma: Tensor, following: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A step's start, middle and end."""
    start, end = time_of(sigma), time_of(following)
    return start, start + (end - start) * 0.5, end


def _moved(x: Tensor, denoised: Tensor, start: Tensor, end: Tensor, eta: float, fresh: Tensor) -> Tensor:
    """x from a time to another by the answer found for it, with the noise that belongs to the interval.

    Their levels are made of the times again: the Brownian tree answers by the last decimal of what it is asked.
    """
    down, up = ancestral_split(sigma_of(start), sigma_of(end), eta)
    lowest = time_of(down)
    return sigma_of(lowest) / sigma_of(start) * x - (start - lowest).expm1() * denoised + fresh * up
