"""The pieces that several samplers share: noise put in before a step (churn) and noise put back after it (ancestral steps)."""

from math import sqrt

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource

_MOST_CHURN = sqrt(2) - 1
"""Karras et al. 2022, algorithm 2: a step's noise level is raised by no more than this share."""


def ancestral_split(sigma: float, following: float, eta: float) -> tuple[float, float]:
    """(down, up): how far to denoise deterministically, and how much fresh noise makes it `following` (Song et al. 2021, equation 16)."""
    if not eta:
        return following, 0.0
    up = min(following, eta * sqrt(following**2 * max(0.0, sigma**2 - following**2) / sigma**2))
    return sqrt(following**2 - up**2), up


def churned(x: Tensor, sigma: float, steps: int, noise: NoiseSource, options: SamplerOptions) -> tuple[Tensor, float]:
    """x with a little noise added, and its new level (Karras et al. 2022, algorithm 2, lines 4 to 6); unchanged without churn."""
    if options.s_churn <= 0:
        return x, sigma
    fresh = noise.draw()  # also where none is wanted, so that the later steps' noise does not depend on the range
    if not options.s_tmin <= sigma <= options.s_tmax:
        return x, sigma
    raised = sigma * (1 + min(options.s_churn / steps, _MOST_CHURN))
    return x + fresh * (options.s_noise * sqrt(raised**2 - sigma**2)), raised
