"""Samplers that were written for the model's timesteps (DDIM and its kin): they run on latents of unit variance and predicted noise.

In sigmas they would be simpler, but then every call's latents and answer would be scaled back and forth, and round otherwise than
A1111's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.img2img import Entry
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler
from app.sampling.samplers.spec import SamplerSpec
from app.sampling.table import NoiseTable
from app.schema.samplers import find_scheduler


class Level(NamedTuple):
    """A timestep, and what latents are there: sqrt(alpha) * clean + sqrt(1 - alpha) * noise."""

    timestep: float
    sigma: float
    alpha: Tensor
    """The cumulative alpha, of no dimension."""

    def asked(self, x: Tensor, *, both: bool = False) -> Denoise:
        """The question for the noise in `x`."""
        return Denoise(x, self.sigma, both, self.timestep)


def moved(x: Tensor, noise: Tensor, start: Level, end: Level, *, towards: Tensor | None = None, fresh: Tensor | None = None) -> Tensor:
    """x from a level to another by the noise that was found in it (Song et al. 2020, equation 12).

    `towards` is what leads back into the noise, where that is something else; `fresh` is how much noise will be added to the result.
    The order of operations is that of CompVis' latent-diffusion, from which A1111 has it.
    """
    clean = (x - (1 - start.alpha).sqrt() * noise) / start.alpha.sqrt()
    room = 1 - end.alpha if fresh is None else (1 - end.alpha - fresh**2).clamp(min=0)
    return end.alpha.sqrt() * clean + room.sqrt() * (noise if towards is None else towards)


def fresh_share(start: Level, end: Level, eta: float) -> Tensor:
    """How much of the noise at the end of a step is fresh (Song et al. 2020, equation 16).

    As in CompVis' code the alphas of the steps' ends are float64 here, those of their starts are not, and the result is rounded once.
    """
    after = end.alpha.double()
    return (eta * ((1 - after) / (1 - start.alpha) * (1 - start.alpha / after)).sqrt()).to(start.alpha)


TimestepFunction = Callable[[Tensor, Sequence[Level], SeededNoise, SamplerOptions], Sampler]
"""(x of unit variance at the first level, levels of falling noise, noise, options) to a generator."""


class OnTimesteps(SamplerSpec):
    """Knows no schedulers; its first and last latents have unit variance, and the last are not clean but those of timestep 1."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The noise levels of every (1000 // steps)-th timestep from 1 on, falling; the scheduler only has to exist."""
        find_scheduler(scheduler)
        return [float(table.sigmas[t]) for t in reversed(self.timesteps(steps, table, options))]

    def timesteps(self, steps: int, table: NoiseTable, options: SamplerOptions) -> list[int]:
        """The timesteps themselves, rising; the option to discard the penultimate sigma means one step more here."""
        return evenly_spaced_timesteps(steps + options.discard_penultimate, len(table))

    def initial(self, noise: Tensor, sigmas: Sequence[float], options: SamplerOptions | None = None) -> Tensor:
        """Unit noise counts as the latents of the first timestep, whatever little signal belongs there."""
        return noise

    def entry(self, scheduler: str, steps: int, entered_at: int, table: NoiseTable, options: SamplerOptions) -> Entry:
        """How a pass begins that enters a schedule late: the noise is that of one timestep above those that are run.

        That is A1111's way, and its pictures need it; Song et al. would begin at the noise's own timestep.
        """
        whole = self.sigmas(scheduler, steps, table, options)
        alpha = float(table.alphas_cumprod[self.timesteps(steps, table, options)[entered_at]])
        return Entry(whole[-entered_at - 1], whole[-max(entered_at, 1) :], whole, alpha)


@dataclass(frozen=True, kw_only=True)
class TimestepSpec(OnTimesteps):
    """A sampler that is run at whole timesteps."""

    run: TimestepFunction

    def sample(self, x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, table: NoiseTable) -> Sampler:
        """Begins a pass, at the timesteps whose noise levels are nearest to the sigmas."""
        timesteps = [table.nearest(sigma) for sigma in sigmas]
        levels = [Level(t, sigma, table.alphas_cumprod[t]) for t, sigma in zip(timesteps, sigmas, strict=True)]
        return self.run(x, levels, noise, options)


def evenly_spaced_timesteps(steps: int, count: int) -> list[int]:
    """Every (count // steps)-th timestep from 1 on, rising; no more than the last one (3 steps of 1000: 1, 334, 667, 999)."""
    return [min(t + 1, count - 1) for t in range(0, count, max(count // steps, 1))]
