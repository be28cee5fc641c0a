"""Euler a: Euler steps that go below the next noise level and add fresh noise up to it."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, levels, slope


def euler_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Ancestral sampling with Euler steps (Song et al. 2021, equation 16, in sigmas); eta 0 is Euler.

    As in A1111, s_noise is not heard.
    """
    eta = 1.0 if options.eta is None else options.eta
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        down, up = ancestral_split(sigma, following, eta)
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if following > 0:
            x = x + noise.draw() * up
    return x
