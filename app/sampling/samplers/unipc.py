"""UniPC: one denoiser call a step that serves to correct this step and to predict the next, of any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import expm1, factorial, log

import numpy as np
from torch import Tensor

from app.sampling.img2img import Entry
from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.spec import TimestepSpec
from app.sampling.table import NoiseTable

_Known = list[tuple[float, Tensor]]
"""Sigmas and the denoised latents there, newest first."""


def unipc(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """The unified predictor-corrector of Zhao et al. 2023 (algorithms 5 to 8) for predicted clean latents, in sigmas.

    With fewer steps than its order, that is the number of steps.
    """
    solver, steps = options.uni_pc, len(sigmas) - 1
    known: _Known = []
    before, order = x, 0
    for step, (sigma, following) in enumerate(pairwise(sigmas), 1):
        denoised = yield Denoise(x, sigma)
        if known:
            x = _moved(before, known[:order], sigma, solver, denoised)
        known = [(sigma, denoised), *known[: solver.order - 1]]
        order = min(len(known), steps + 1 - step) if solver.lower_order_final else len(known)
        before = x
        x = _moved(before, known[:order], following, solver)
    return x


def _moved(x: Tensor, known: _Known, sigma: float, solver: UniPCOptions, there: Tensor | None = None) -> Tensor:
    """x at the newest known sigma moved to `sigma`: predicted, or corrected with the denoised latents `there`."""
    (start, newest), *earlier = known
    h = log(start / sigma)
    ratios = [log(start / s) / h for s, _ in earlier]
    differences = [(denoised - newest) / ratio for (_, denoised), ratio in zip(earlier, ratios, strict=True)]
    if there is not None:
        ratios.append(1.0)
        differences.append(there - newest)
    x = newest + (x - newest) * (sigma / start)
    for difference, weight in zip(differences, _weights(ratios, h, solver), strict=True):
        x = x + difference * weight
    return x


def _weights(ratios: Sequence[float], h: float, solver: UniPCOptions) -> list[float]:
    """What each difference counts (equation 5): so that polynomials up to the number of differences are integrated exactly.

    For a single one the paper leaves a choice of B(h) with half its weight, and that is the variant.
    """
    if len(ratios) == 1:
        return [(h if solver.variant == "bh1" else -expm1(-h)) / 2]
    phi, wanted = expm1(-h) / -h - 1, []
    for power in range(1, len(ratios) + 1):
        wanted.append(-phi * factorial(power))
        phi = phi / -h - 1 / factorial(power + 1)
    powers = np.power(np.array(ratios), np.arange(len(ratios))[:, None])
    return [float(weight) for weight in np.linalg.solve(powers, np.array(wanted))] if ratios else []


@dataclass(frozen=True, kw_only=True)
class UniPCSpec(TimestepSpec):
    """UniPC has of DDIM's timesteps only their number, and times of its own between them, as its authors' code spaces them."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """One sigma more than there are timesteps, from the model's last timestep to its first."""
        count = len(super().sigmas(scheduler, steps, table, options))
        return _own_sigmas(table, len(table) - 1, count, options.uni_pc)

    def entry(self, scheduler: str, steps: int, entered_at: int, table: NoiseTable, options: SamplerOptions) -> Entry:
        """Times of its own below the last timestep that DDIM would run, and noise as for that."""
        timesteps = self.timesteps(steps, table, options)
        whole = _own_sigmas(table, timesteps[max(entered_at, 1) - 1], max(entered_at, 1), options.uni_pc)
        return Entry(float(table.sigmas[timesteps[entered_at]]), whole, whole)


def _own_sigmas(table: NoiseTable, first: int, steps: int, solver: UniPCOptions) -> list[float]:
    """`steps` + 1 sigmas from a timestep to 0, with log(alpha) linear between timesteps (the table has log(sigma) so).

    Times are those of a continuous clock on which timestep t is (t + 1) / count.
    """
    log_alphas = np.log(table.alphas_cumprod.double().numpy()) / 2
    clock = np.arange(1, len(table) + 1) / len(table)
    start, end = clock[first], clock[0]
    if solver.skip_type == "time_uniform":
        wanted = np.interp(np.linspace(start, end, steps + 1), clock, log_alphas)
    elif solver.skip_type == "time_quadratic":
        wanted = np.interp(np.linspace(start**0.5, end**0.5, steps + 1) ** 2, clock, log_alphas)
    else:
        half_log_snr = log_alphas - np.log1p(-np.exp(2 * log_alphas)) / 2
        wanted = -np.logaddexp(0, -2 * np.linspace(half_log_snr[first], half_log_snr[0], steps + 1)) / 2
    return [float(sigma) for sigma in np.sqrt(np.expm1(-2 * wanted))]
