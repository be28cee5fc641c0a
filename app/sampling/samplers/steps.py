"""The pieces that several samplers share: noise levels as single numbers, churn before a step, fresh noise after it.

Coefficients are tensors of no dimension and of the latents' number format, float32, and every sampler has the order of operations
of k-diffusion (Crowson 2022), because A1111's latents came about so: what a computation in float64 or in another order would change
is the last place, but there are checkpoints that make 19 levels of 255 of that. Such tensors lie on the CPU and go with those of any device
without waiting for it.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource

_MOST_CHURN = sqrt(2) - 1
"""Karras et al. 2022, algorithm 2: a step's noise level is raised by no more than this share."""


def levels(sigmas: Sequence[float], x: Tensor) -> tuple[Tensor, ...]:
    """The sigmas, each a tensor of no dimension on the CPU in the number format of `x`."""
    return torch.tensor(sigmas, dtype=x.dtype).unbind()


def time_of(sigma: Tensor) -> Tensor:
    """Half the log-SNR, which is the time of DPM-Solver; infinite at sigma 0."""
    return sigma.log().neg()


def sigma_of(time: Tensor) -> Tensor:
    """The noise level at a time; may differ in its last place from the one that the time was made of."""
    return time.neg().exp()


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """dx/dsigma on the probability-flow ODE, which is the predicted noise."""
    return (x - denoised) / sigma


def ancestral_split(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(down, up): how far to denoise deterministically, and how much fresh noise makes it `following` (Song et al. 2021, equation 16)."""
    if not eta:
        return following, torch.zeros_like(following)
    up = torch.minimum(following, eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5)
    return (following**2 - up**2) ** 0.5, up


def churned(x: Tensor, sigma: Tensor, steps: int, noise: NoiseSource, options: SamplerOptions) -> tuple[Tensor, Tensor]:
    """x with a little noise added, and its new level (Karras et al. 2022, algorithm 2, lines 4 to 6); unchanged without churn."""
    if options.s_churn <= 0:
        return x, sigma
    fresh = noise.draw()  # also where none is wanted, so that the later steps' noise does not depend on the range
    if not options.s_tmin <= float(sigma) <= options.s_tmax:
        return x, sigma
    raised = sigma * (min(options.s_churn / steps, _MOST_CHURN) + 1)
    return x + fresh * options.s_noise * (raised**2 - sigma**2) ** 0.5, raised
