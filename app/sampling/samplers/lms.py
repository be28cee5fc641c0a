"""LMS: one denoiser call a step, up to fourth order from the slopes of earlier steps."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import levels, slope

_ORDER = 4


def lms(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """The Adams-Bashforth method on the probability-flow ODE, for steps of unequal length (Hairer, Norsett & Wanner, III.5)."""
    times = levels(sigmas, x)
    slopes: list[Tensor] = []
    for i, sigma in enumerate(times[:-1]):
        denoised = yield Denoise(x, float(sigma))
        slopes = [slope(x, sigma, denoised), *slopes[: _ORDER - 1]]
        known = [times[i - k] for k in range(len(slopes))]
        weighted = [one * weight for one, weight in zip(slopes, _weights(known, times[i + 1]), strict=True)]
        x = x + sum(weighted[1:], weighted[0])
    return x


def _weights(known: Sequence[Tensor], end: Tensor) -> list[float]:
    """Integrals from the first known sigma to `end` of the Lagrange polynomials that are 1 at one known sigma and 0 at the others.

    By a quadrature that is exact for them; in float64 but for the distances between sigmas, as in k-diffusion.
    """
    nodes, shares = np.polynomial.legendre.leggauss(_ORDER)
    half = (float(end) - float(known[0])) / 2
    at = float(known[0]) + half * (nodes + 1)
    weights = []
    for j, own in enumerate(known):
        basis = np.ones_like(at)
        for other in (sigma for k, sigma in enumerate(known) if k != j):
            basis *= (at - float(other)) / float(own - other)
        weights.append(float(half * (shares @ basis)))
    return weights
