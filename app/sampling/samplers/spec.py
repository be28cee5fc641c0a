"""What every sampler of the registry can be asked, whatever space its mathematics is written in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.img2img import Entry
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Sampler
from app.sampling.sigmas import build_sigmas
from app.sampling.table import NoiseTable
from app.schema.errors import InvalidParams
from app.schema.samplers import SamplerName, find_scheduler

SampleFunction = Callable[[Tensor, Sequence[float], SeededNoise, SamplerOptions], Sampler]
"""(x at the first sigma, falling sigmas, noise, options) to a generator; x is (pictures, channels, height/8, width/8) float32."""


@dataclass(frozen=True, kw_only=True)
class SamplerSpec(ABC):
    """A sampler with its own rules for the sigmas it runs through and for what its first and last latents are."""

    name: SamplerName

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The noise levels of a pass of `steps` steps under a scheduler's label or internal name."""
        name = find_scheduler(scheduler).name
        if name == "automatic":
            name = self.name.automatic or name
        discard = options.discard_penultimate or self.name.discards_penultimate
        old = options.old_karras_sigmas
        sigmas = build_sigmas(
            name,
            steps + discard,
            table,
            sigma_min=options.sigma_min or (0.1 if old else None),
            sigma_max=options.sigma_max or (10.0 if old else None),
            rho=options.rho,
            beta=(options.beta_alpha, options.beta_beta),
            sdxl=options.sdxl,
        )
        return [*sigmas[:-2], sigmas[-1]] if discard else sigmas

    def initial(self, noise: Tensor, sigmas: Sequence[float], options: SamplerOptions | None = None) -> Tensor:
        """Latents to begin with, from unit noise alone."""
        if options is not None and options.sgm_noise_multiplier:
            return noise * (1 + torch.tensor(sigmas[0], dtype=noise.dtype) ** 2).sqrt()
        return noise * sigmas[0]

    def entry(self, scheduler: str, steps: int, entered_at: int, table: NoiseTable, options: SamplerOptions) -> Entry:
        """How a pass begins that enters a schedule of `steps` steps where `entered_at` + 1 of them are left."""
        whole = self.sigmas(scheduler, steps, table, options)
        left = whole[steps - entered_at - 1 :]
        return Entry(left[0], left, whole)

    @abstractmethod
    def sample(self, x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, table: NoiseTable) -> Sampler:
        """Begins a pass: the generator that yields `Denoise` and returns the last latents. `table` is the model's."""

    def calls(self, steps: int) -> int:
        """How many denoiser calls `steps` steps count as, for progress and for the steps that a prompt names."""
        return steps * (2 if self.name.second_order else 1)

    def finish(self, x: Tensor, sigmas: Sequence[float]) -> Tensor:
        """The latents to decode, from those that `sample` returned."""
        return x


@dataclass(frozen=True, kw_only=True)
class SigmaSpec(SamplerSpec):
    """A sampler that needs no more of the model than its schedule."""

    run: SampleFunction

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The noise levels of a pass; InvalidParams where two of them are the same, because a step between them has no length."""
        sigmas = super().sigmas(scheduler, steps, table, options)
        if any(sigma <= following for sigma, following in pairwise(sigmas)):
            raise InvalidParams(
                f"The schedule {scheduler} repeats a noise level with {steps} steps and these settings: choose fewer steps."
            )
        return sigmas

    def sample(self, x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, table: NoiseTable) -> Sampler:
        """Begins a pass."""
        return self.run(x, sigmas, noise, options)


@dataclass(frozen=True, kw_only=True)
class TimestepSpec(SigmaSpec):
    """A sampler that was written for the model's timesteps and for latents of unit variance (DDIM and its kin).

    Inside it speaks sigmas like all others: x_sigma = x_unit * sqrt(1 + sigma^2). It knows no schedulers, and its last latents are
    not clean but those of timestep 1, in unit variance.
    """

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The noise levels of every (1000 // steps)-th timestep from 1 on, falling; the scheduler only has to exist."""
        find_scheduler(scheduler)
        return [float(table.sigmas[t]) for t in reversed(self.timesteps(steps, table, options))]

    def timesteps(self, steps: int, table: NoiseTable, options: SamplerOptions) -> list[int]:
        """The timesteps themselves, rising; the option to discard the penultimate sigma means one step more here."""
        return evenly_spaced_timesteps(steps + options.discard_penultimate, len(table))

    def initial(self, noise: Tensor, sigmas: Sequence[float], options: SamplerOptions | None = None) -> Tensor:
        """Unit noise counts as the unit-variance latents of the first timestep, whatever little signal belongs there."""
        return noise * sqrt(1 + sigmas[0] ** 2)

    def entry(self, scheduler: str, steps: int, entered_at: int, table: NoiseTable, options: SamplerOptions) -> Entry:
        """How a pass begins that enters a schedule late: the noise is that of one timestep above those that are run.

        That is A1111's way, and its pictures need it; Song et al. would begin at the noise's own timestep.
        """
        whole = self.sigmas(scheduler, steps, table, options)
        return Entry(whole[-entered_at - 1], whole[-max(entered_at, 1) :], whole)

    def finish(self, x: Tensor, sigmas: Sequence[float]) -> Tensor:
        """The latents in unit variance, as they are decoded although a little noise is left."""
        return x / sqrt(1 + sigmas[-1] ** 2)


def evenly_spaced_timesteps(steps: int, count: int) -> list[int]:
    """Every (count // steps)-th timestep from 1 on, rising; no more than the last one (3 steps of 1000: 1, 334, 667, 999)."""
    return [min(t + 1, count - 1) for t in range(0, count, max(count // steps, 1))]
