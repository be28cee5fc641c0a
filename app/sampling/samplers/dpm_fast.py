"""DPM fast: as many denoiser calls as steps, spent on third-order steps as far as they reach."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.dpm_solver import first_order, second_order, third_order
from app.sampling.samplers.steps import ancestral_split


def dpm_fast(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """DPM-Solver-fast (Lu et al. 2022a, appendix D.3) between the first and the last sigma above 0, ancestral.

    Of the schedule only the ends and the length count; the steps are equal in log(sigma).
    """
    eta = 1.0 if options.eta is None else options.eta
    end = min(s for s in sigmas if s > 0)
    orders = _orders(len(sigmas) - 1)
    levels = [exp(t) for t in np.linspace(log(sigmas[0]), log(end), len(orders) + 1)]
    for order, sigma, following in zip(orders, levels[:-1], levels[1:], strict=True):
        down = max(end, ancestral_split(sigma, following, eta)[0])
        up = sqrt(max(0.0, following**2 - down**2))
        if order == 3:
            x = (yield from third_order(x, sigma, down)).third
        else:
            x = yield from (second_order if order == 2 else first_order)(x, sigma, down)
        x = x + noise.draw() * (options.s_noise * up)
    return x


def _orders(calls: int) -> list[int]:
    """Third-order steps and a remainder that together make this many calls, ending in one of lower order."""
    thirds, rest = divmod(calls, 3)
    return [3] * thirds + [rest] if rest else [3] * (thirds - 1) + [2, 1]
