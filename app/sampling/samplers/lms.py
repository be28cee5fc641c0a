"""LMS: one denoiser call a step, up to fourth order from the slopes of earlier steps."""

from collections.abc import Sequence
from itertools import pairwise

from numpy.polynomial import Polynomial
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler

_ORDER = 4


def lms(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """The Adams-Bashforth method on the probability-flow ODE, for steps of unequal length (Hairer, Norsett & Wanner, III.5)."""
    slopes: list[Tensor] = []
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma)
        slopes = [(x - denoised) / sigma, *slopes[: _ORDER - 1]]
        known = [sigmas[i - k] for k in range(len(slopes))]
        for slope, weight in zip(slopes, _weights(known, sigma, following), strict=True):
            x = x + slope * weight
    return x


def _weights(known: Sequence[float], start: float, end: float) -> list[float]:
    """Integrals from start to end of the Lagrange polynomials that are 1 at one of the known sigmas and 0 at the others."""
    weights = []
    for j, own in enumerate(known):
        basis = Polynomial([1.0])
        for other in (sigma for k, sigma in enumerate(known) if k != j):
            basis *= Polynomial([-other, 1.0]) / (own - other)
        integral = basis.integ()
        weights.append(float(integral(end) - integral(start)))
    return weights
