"""One step of DPM-Solver (Lu et al. 2022a) of first, second or third order, in sigmas: the half log-SNR is then -log(sigma)."""

from collections.abc import Generator
from dataclasses import dataclass
from math import exp, expm1, log
from typing import NamedTuple

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise
from app.sampling.samplers.spec import SigmaSpec
from app.sampling.table import NoiseTable


class Orders(NamedTuple):
    """Latents at a step's end by two orders, for which one set of denoiser calls is enough."""

    second: Tensor
    third: Tensor


Step = Generator[Denoise, Tensor, Tensor]
BothOrders = Generator[Denoise, Tensor, Orders]


def first_order(x: Tensor, sigma: float, following: float) -> Step:
    """DPM-Solver-1, which is DDIM: one call."""
    slope = yield from _slope(x, sigma)
    return x + slope * (following - sigma)


def second_order(x: Tensor, sigma: float, following: float) -> Step:
    """DPM-Solver-2 with r = 1/2: two calls."""
    slope = yield from _slope(x, sigma)
    middle = exp((log(sigma) + log(following)) / 2)
    there = yield from _slope(x + slope * (middle - sigma), middle)
    return x + there * (following - sigma)


def third_order(x: Tensor, sigma: float, following: float) -> BothOrders:
    """DPM-Solver-3 with r = 1/3 and 2/3, and DPM-Solver-2 with r = 1/3, which is nested in it: three calls."""
    h = log(sigma / following)
    one, two = sigma * exp(-h / 3), sigma * exp(-2 * h / 3)
    slope = yield from _slope(x, sigma)
    bend = (yield from _slope(x + slope * (one - sigma), one)) - slope
    second = x + (slope + bend * 1.5) * (following - sigma)
    guess = x + slope * (two - sigma) - bend * (2 * two * (expm1(2 * h / 3) / (2 * h / 3) - 1))
    bend = (yield from _slope(guess, two)) - slope
    third = x + slope * (following - sigma) - bend * (1.5 * following * (expm1(h) / h - 1))
    return Orders(second, third)


def _slope(x: Tensor, sigma: float) -> Step:
    """The predicted noise."""
    return (x - (yield Denoise(x, sigma))) / sigma


@dataclass(frozen=True, kw_only=True)
class DPMSolverSpec(SigmaSpec):
    """A solver that takes only the ends of a schedule, and its length."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The schedule; one of a single noise level, which has no lower end, ends at the model's smallest or at its own half."""
        sigmas = super().sigmas(scheduler, steps, table, options)
        return sigmas if len(sigmas) > 2 else [sigmas[0], min(table.sigma_min, sigmas[0] / 2)]
