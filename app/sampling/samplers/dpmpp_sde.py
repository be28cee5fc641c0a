"""DPM++ SDE: two denoiser calls a step on the diffusion SDE, with noise from one Brownian motion a picture."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler
from app.sampling.samplers.steps import ancestral_split


def dpmpp_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """A stochastic DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r = 1/2; both parts of a step end in fresh noise)."""
    eta = 1.0 if options.eta is None else options.eta
    times = [_times(sigma, following) for sigma, following in pairwise(sigmas) if following > 0]
    intervals = [interval for start, middle, end in times for interval in ((start, middle), (start, end))]
    fresh = noise.increments(min(s for s in sigmas if s > 0), max(sigmas), intervals)
    for sigma, (start, middle, end) in zip(sigmas, times, strict=False):  # the last sigma may have no step of its own
        denoised = yield Denoise(x, sigma)
        down, up = ancestral_split(start, middle, eta)
        half = denoised + (x - denoised) * (down / start) + next(fresh) * (options.s_noise * up)
        denoised = yield Denoise(half, middle)
        down, up = ancestral_split(start, end, eta)
        x = denoised + (x - denoised) * (down / start) + next(fresh) * (options.s_noise * up)
    return x if sigmas[-1] > 0 else (yield Denoise(x, sigmas[-2]))


def _times(sigma: float, following: float) -> tuple[float, float, float]:
    """Both levels and their geometric mean, by way of float32 logarithms: the Brownian tree answers by the last decimal of its times."""
    start, end = (torch.tensor(s, dtype=torch.float32).log().neg() for s in (sigma, following))
    middle = start + (end - start) * 0.5
    return float(start.neg().exp()), float(middle.neg().exp()), float(end.neg().exp())
