"""One pass of a batch through a sampler: guidance, progress notes, and what an interrupt leaves."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from app.recipes.ops import Adapters, Answer, Decode, DenoiseRows, Finished, Interrupted, ModelInfo, Note, Op
from app.recipes.settings import acted
from app.sampling.guidance import Conditions, NegativeSkips, Watched, guided
from app.sampling.protocol import Sampler
from app.schema.params import GenerationParams

DECODED_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass is about: which batch of the job, how many denoiser calls, and what else the network takes."""

    params: GenerationParams
    batch: int
    calls: int
    skips: NegativeSkips
    concat: Tensor | None = None
    """(pictures or 1, channels, height/8, width/8)"""
    adapters: Adapters = ()

    @property
    def first(self) -> int:
        """Number of the batch's first picture in the job."""
        return self.batch * self.params.batch_size

    @property
    def seeds(self) -> list[int]:
        """One seed a picture of the batch."""
        return [self.params.seed_of(self.first + i) for i in range(self.params.batch_size)]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Latents at the end of a pass, and how it ended."""

    latents: Tensor | None
    """None: interrupted before the first step."""
    finished: bool
    go_on: bool
    """Whether the job's later batches follow (a skip lets them, an interrupt does not)."""
    told: dict[str, str]
    """Infotext fields of what acted on the way."""


def sampled(sampler: Sampler, conditions: Conditions, about: Pass, pictures: int) -> Generator[Op, Answer, Sampled]:
    """Runs the pass; an interrupt ends it with the latest denoised latents."""
    watched = Watched()
    steps = guided(sampler, [conditions] * pictures, about.params.cfg_scale, watched, about.skips)
    noted = 0
    try:
        yield Note(0, about.calls, about.batch)
        rows = next(steps)
        while True:
            concat = None if about.concat is None else torch.cat([about.concat[i % len(about.concat)][None] for i in rows.pictures])
            sigmas = (rows.sigma,) * len(rows.x)
            op = DenoiseRows(about.params.checkpoint, rows.x, sigmas, rows.context, concat, about.adapters)
            rows = steps.send(cast(Tensor, (yield op)))
            if watched.calls > noted:
                noted = watched.calls
                yield Note(noted, about.calls, about.batch, watched.denoised)
    except StopIteration as end:
        yield Note(about.calls, about.calls, about.batch, watched.denoised)
        return Sampled(end.value, True, True, acted(about.params, watched.acted))
    except Interrupted as stop:
        return Sampled(watched.denoised, False, stop.skip, acted(about.params, watched.acted))


def finished(latents: Tensor, about: Pass, info: ModelInfo, extras: dict[str, str]) -> Generator[Op, Answer, None]:
    """Decodes the pass's pictures, a few at a time so that the first ones need not wait for the last, and hands them over."""
    for first in range(0, len(about.seeds), DECODED_AT_ONCE):
        several = latents[first : first + DECODED_AT_ONCE]
        pixels = cast(Tensor, (yield Decode(about.params.checkpoint, several, info.vae)))
        for i, picture in enumerate(pixels, first):
            yield Finished(about.first + i, picture.numpy(), about.seeds[i], info, extras)
