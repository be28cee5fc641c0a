"""DPM adaptive: third-order steps whose length follows an estimate of their error."""

from collections.abc import Sequence
from math import atan

import torch
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.dpm_solver import ancestral_end, third_order
from app.sampling.samplers.steps import levels, time_of

_FIRST_STEP = 0.05
_ACCEPTED = 0.81
"""A step is repeated when the controller would shorten it to less than this share."""
_RELATIVE_TOLERANCE, _ABSOLUTE_TOLERANCE = 0.05, 0.0078
_NEAR = 1e-5


def dpm_adaptive(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver-23 (Lu et al. 2022a, appendix C), ancestral, from the first to the last sigma above 0, three calls a step.

    Of the schedule only the ends count. The error is that of the whole batch, so a picture depends on its company; and it is the
    one sampler that waits for the device, once a step, because the next step's length is its answer.
    """
    eta = 1.0 if options.eta is None else options.eta
    t, last = (time_of(sigma) for sigma in levels([sigmas[0], min(s for s in sigmas if s > 0)], x))
    h, before = _FIRST_STEP, x
    while t < last - _NEAR:
        end = torch.minimum(last, t + h)
        to, up = ancestral_end(t, end, last, eta)
        second, third = yield from third_order(x, t, to)
        share = 1 + atan(_inverse_error(second, third, before) ** (1 / (1.5 if eta else 3)) - 1)
        if share >= _ACCEPTED:
            before, x, t = second, third + up * options.s_noise * noise.draw(), end
        h *= share
    return x


def _inverse_error(second: Tensor, third: Tensor, before: Tensor) -> float:
    """One over the root mean square of the two orders' difference, in units of what is tolerated."""
    tolerated = (torch.maximum(second.abs(), before.abs()) * _RELATIVE_TOLERANCE).clamp(min=_ABSOLUTE_TOLERANCE)
    error = torch.linalg.vector_norm((second - third) / tolerated) / third.numel() ** 0.5
    return 1 / (float(error) + 1e-8)
