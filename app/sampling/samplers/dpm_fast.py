"""DPM fast: as many denoiser calls as steps, spent on third-order steps as far as they reach."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.dpm_solver import ancestral_end, first_order, second_order, third_order
from app.sampling.samplers.steps import levels, time_of


def dpm_fast(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver-fast (Lu et al. 2022a, appendix D.3) between the first and the last sigma above 0, ancestral.

    Of the schedule only the ends and the length count; the steps are equal in log(sigma).
    """
    eta = 1.0 if options.eta is None else options.eta
    first, last = (time_of(sigma) for sigma in levels([sigmas[0], min(s for s in sigmas if s > 0)], x))
    orders = _orders(len(sigmas) - 1)
    times = torch.linspace(float(first), float(last), len(orders) + 1, dtype=x.dtype).unbind()
    for order, (t, end) in zip(orders, pairwise(times), strict=True):
        to, up = ancestral_end(t, end, last, eta)
        if order == 3:
            x = (yield from third_order(x, t, to)).third
        else:
            x = yield from (second_order if order == 2 else first_order)(x, t, to)
        x = x + up * options.s_noise * noise.draw()
    return x


def _orders(calls: int) -> list[int]:
    """Third-order steps and a remainder that together make this many calls, ending in one of lower order."""
    thirds, rest = divmod(calls, 3)
    return [3] * thirds + [rest] if rest else [3] * (thirds - 1) + [2, 1]
