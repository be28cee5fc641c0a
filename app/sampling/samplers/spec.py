"""What every sampler of the registry can be asked, whatever space its mathematics is written in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    """A sampler with its own rules for the sigmas it runs through and for what its first latents are."""

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
