"""One step of DPM-Solver (Lu et al. 2022a) of first, second or third order, between two times (half log-SNRs, -log(sigma))."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise
from app.sampling.samplers.spec import SigmaSpec
from app.sampling.samplers.steps import ancestral_split, sigma_of, slope, time_of
from app.sampling.table import NoiseTable


class Orders(NamedTuple):
    """Latents at a step's end by two orders, for which one set of denoiser calls is enough."""

    second: Tensor
    third: Tensor


Step = Generator[Denoise, Tensor, Tensor]
BothOrders = Generator[Denoise, Tensor, Orders]


def first_order(x: Tensor, t: Tensor, end: Tensor) -> Step:
    """DPM-Solver-1, which is DDIM: one call."""
    noise = yield from _noise(x, t)
    return x - sigma_of(end) * (end - t).expm1() * noise


def second_order(x: Tensor, t: Tensor, end: Tensor) -> Step:
    """DPM-Solver-2 with r = 1/2: two calls."""
    noise = yield from _noise(x, t)
    bend = (yield from _noise(*_part(x, noise, t, end, 1 / 2))) - noise
    return _second(x, noise, bend, t, end, 1 / 2)


def third_order(x: Tensor, t: Tensor, end: Tensor) -> BothOrders:
    """DPM-Solver-3 with r = 1/3 and 2/3, and DPM-Solver-2 with r = 1/3, which is nested in it: three calls."""
    h, r1, r2 = end - t, 1 / 3, 2 / 3
    noise = yield from _noise(x, t)
    bend = (yield from _noise(*_part(x, noise, t, end, r1))) - noise
    second = _second(x, noise, bend, t, end, r1)
    part, two = _part(x, noise, t, end, r2)
    part = part - sigma_of(two) * (r2 / r1) * ((r2 * h).expm1() / (r2 * h) - 1) * bend
    bend = (yield from _noise(part, two)) - noise
    third = x - sigma_of(end) * h.expm1() * noise - sigma_of(end) / r2 * (h.expm1() / h - 1) * bend
    return Orders(second, third)


def _noise(x: Tensor, t: Tensor) -> Step:
    """The predicted noise."""
    return slope(x, sigma_of(t), (yield Denoise(x, float(sigma_of(t)))))


def _part(x: Tensor, noise: Tensor, t: Tensor, end: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """A share of a first-order step, and the time that it leads to."""
    h = end - t
    there = t + share * h
    return x - sigma_of(there) * (share * h).expm1() * noise, there


def _second(x: Tensor, noise: Tensor, bend: Tensor, t: Tensor, end: Tensor, share: float) -> Tensor:
    h = end - t
    return x - sigma_of(end) * h.expm1() * noise - sigma_of(end) / (2 * share) * h.expm1() * bend


def ancestral_end(t: Tensor, end: Tensor, last: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(to, up): the time to go to deterministically, none beyond the `last`, and how much fresh noise leads back to `end`."""
    if not eta:
        return end, end.new_zeros(())
    to = torch.minimum(last, time_of(ancestral_split(sigma_of(t), sigma_of(end), eta)[0]))
    return to, (sigma_of(end) ** 2 - sigma_of(to) ** 2).clamp(min=0) ** 0.5


@dataclass(frozen=True, kw_only=True)
class DPMSolverSpec(SigmaSpec):
    """A solver that takes only the ends of a schedule, and its length."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The schedule; one of a single noise level, which has no lower end, ends at the model's smallest or at its own half."""
        sigmas = super().sigmas(scheduler, steps, table, options)
        return sigmas if len(sigmas) > 2 else [sigmas[0], min(table.sigma_min, sigmas[0] / 2)]
