"""UniPC: one denoiser call a step that serves to correct this step and to predict the next, of any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.img2img import Entry
from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.timesteps import OnTimesteps
from app.sampling.table import NoiseTable


class Moment(NamedTuple):
    """A place on the way, between the model's timesteps: there latents are alpha * clean + sigma * noise, and have unit variance."""

    timestep: float
    level: float
    """The noise level as all samplers name it, of latents that are the clean ones plus so much noise."""
    alpha: Tensor
    """Of no dimension, like those that follow."""
    sigma: Tensor
    half_log_snr: Tensor
    """log(alpha / sigma), the solver's time."""


def moments_at(timesteps: Sequence[float], log_alphas: Tensor) -> list[Moment]:
    """Moments at timesteps, from the logarithms of their alphas."""
    variances = 1 - (2 * log_alphas).exp()
    alphas, sigmas, times = log_alphas.exp(), variances.sqrt(), log_alphas - 0.5 * variances.log()
    levels = (sigmas / alphas).tolist()
    return [Moment(*each) for each in zip(timesteps, levels, alphas, sigmas, times, strict=True)]


_Known = list[tuple[Moment, Tensor]]
"""Moments and the clean latents found there, newest first."""


def unipc(x: Tensor, moments: Sequence[Moment], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """The unified predictor-corrector of Zhao et al. 2023 (algorithms 5 to 8) for predicted clean latents, on latents of unit variance.

    With fewer steps than its order, that is the number of steps. The order of operations is that of its authors' code, and of diffusers.
    """
    solver, steps = options.uni_pc, len(moments) - 1
    known: _Known = []
    before, order = x, 0
    for step, (now, following) in enumerate(pairwise(moments), 1):
        found = yield Denoise(x, now.level, timestep=now.timestep)
        clean = (x - now.sigma * found) / now.alpha
        if known:
            x = _moved(before, known[:order], now, solver, clean)
        known = [(now, clean), *known[: solver.order - 1]]
        order = min(len(known), steps + 1 - step) if solver.lower_order_final else len(known)
        before = x
        x = _moved(x, known[:order], following, solver)
    return x


def _moved(x: Tensor, known: _Known, to: Moment, solver: UniPCOptions, there: Tensor | None = None) -> Tensor:
    """x at the newest known moment moved to another: predicted, or corrected with the clean latents found `there`."""
    (start, newest), *earlier = known
    h = to.half_log_snr - start.half_log_snr
    decay = (-h).expm1()
    ratios = [(moment.half_log_snr - start.half_log_snr) / h for moment, _ in earlier]
    differences = [(clean - newest) / ratio for (_, clean), ratio in zip(earlier, ratios, strict=True)]
    width = -h if solver.variant == "bh1" else decay
    weights = _weights(torch.stack([*ratios, torch.ones_like(h)]), -h, width, corrects=there is not None)
    bend: Tensor | float = 0.0
    if differences:  # a matrix product: how it rounds depends on its size
        bend = torch.einsum("k,bkchw->bchw", weights[: len(differences)].to(x.device, non_blocking=True), torch.stack(differences, dim=1))
    if there is not None:
        bend = bend + weights[-1] * (there - newest)
    return to.sigma / start.sigma * x - to.alpha * decay * newest - to.alpha * width * bend


def _weights(ratios: Tensor, h: Tensor, width: Tensor, *, corrects: bool) -> Tensor:
    """What each difference counts (equation 5): so that polynomials up to the number of differences are integrated exactly.

    `ratios` ends with the 1 of the moment that is moved to, whose difference only the corrector has. For a single difference the paper
    leaves a choice of `width` with half its weight, and that is the variant.
    """
    count = len(ratios) if corrects else len(ratios) - 1
    if count < 2:
        return ratios.new_full((count,), 0.5)
    phi, factorial, wanted = h.expm1() / h - 1, 1.0, []
    for power in range(2, count + 2):
        wanted.append(phi * factorial / width)
        factorial *= power
        phi = phi / h - 1 / factorial
    powers = torch.stack([ratios[:count] ** power for power in range(count)])
    weights: Tensor = torch.linalg.solve(powers, torch.stack(wanted))
    return weights


@dataclass(frozen=True, kw_only=True)
class UniPCSpec(OnTimesteps):
    """UniPC has of DDIM's timesteps only their number, and times of its own between them, as its authors' code spaces them."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """One sigma more than there are timesteps, from the model's last timestep to its first."""
        count = len(super().sigmas(scheduler, steps, table, options))
        return [moment.level for moment in _moments(table, len(table) - 1, count, options.uni_pc)]

    def entry(self, scheduler: str, steps: int, entered_at: int, table: NoiseTable, options: SamplerOptions) -> Entry:
        """Times of its own below the last timestep that DDIM would run, and noise as for that."""
        timesteps = self.timesteps(steps, table, options)
        left = max(entered_at, 1)
        whole = [moment.level for moment in _moments(table, timesteps[left - 1], left, options.uni_pc)]
        noise = timesteps[entered_at]
        return Entry(float(table.sigmas[noise]), whole, whole, float(table.alphas_cumprod[noise]))

    def sample(self, x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, table: NoiseTable) -> Sampler:
        """Begins a pass of as many steps at the timestep of the first sigma."""
        return unipc(x, _moments(table, table.nearest(sigmas[0]), len(sigmas) - 1, options.uni_pc), noise, options)


def _moments(table: NoiseTable, first: int, steps: int, solver: UniPCOptions) -> list[Moment]:
    """`steps` + 1 moments from a timestep to 0, with log(alpha) linear between timesteps (the table has log(sigma) so).

    Times are those of a continuous clock on which timestep t is (t + 1) / count.
    """
    count = len(table)
    clock, log_alphas = torch.linspace(0, 1, count + 1)[1:], 0.5 * table.alphas_cumprod.log()
    start, end = (first + 1) / count, 1 / count
    if solver.skip_type == "time_uniform":
        times = torch.linspace(start, end, steps + 1)
    elif solver.skip_type == "time_quadratic":
        times = torch.linspace(start**0.5, end**0.5, steps + 1) ** 2
    else:
        high, low = (float(moment.half_log_snr) for moment in moments_at([first, 0], log_alphas[[first, 0]]))
        wanted = -0.5 * torch.logaddexp(torch.zeros(1), -2 * torch.linspace(high, low, steps + 1))
        times = _interpolated(wanted, log_alphas.flip(0), clock.flip(0))
    return moments_at(((times - 1 / count) * count).tolist(), _interpolated(times, clock, log_alphas))


def _interpolated(at: Tensor, known: Tensor, values: Tensor) -> Tensor:
    """Values at places between known ones, which rise."""
    low = (torch.searchsorted(known, at) - 1).clamp(0, len(known) - 2)
    left, right = known[low], known[low + 1]
    return values[low] + (at - left) * (values[low + 1] - values[low]) / (right - left)
