"""One pass of a batch through a sampler: guidance, the refiner, progress notes, and what an interrupt leaves."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from app.recipes.canvas import Touched
from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing, Model
from app.recipes.ops import Answer, Decode, DenoiseRows, Finished, Interrupted, Note, Op
from app.recipes.refiner import Refiner, told_of
from app.recipes.resize import Pixels
from app.recipes.settings import acted, label_of, negative_skips
from app.sampling.guidance import Guided, Rows, Watched, guided
from app.sampling.masked import Masked
from app.sampling.protocol import Denoise, Sampler
from app.schema.errors import NotSupported
from app.schema.network import NetworkSettings

DECODED_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass is about: which batch of the job, how many denoiser calls, what guides it."""

    drawing: Drawing
    said: Said
    batch: int
    calls: int
    before: int = 0
    """Denoiser calls of the batch's earlier pass."""
    after: int = 0
    """Those of the pass that follows."""
    cfg_scale: float
    network: NetworkSettings
    refiner: Refiner | None = None
    masked: Masked | None = None

    def note(self, calls: int, latents: Tensor | None = None) -> Note:
        """Progress after so many calls of this pass."""
        return Note(self.before + min(calls, self.calls), self.before + self.calls + self.after, self.batch, latents)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Latents at the end of a pass, and how it ended."""

    latents: Tensor | None
    """None: interrupted before the first step."""
    finished: bool
    go_on: bool
    """Whether the job's later batches follow (a skip lets them, an interrupt does not)."""
    checkpoint: str
    """Whose latents they are, and so who decodes them."""

    def masked(self, masked: Masked | None) -> "Sampled":
        """With what the mask leaves free as it was."""
        if self.latents is None or masked is None:
            return self
        return replace(self, latents=masked.last(self.latents))


def sampled(sampler: Sampler, model: Model, about: Pass, pictures: int) -> Generator[Op, Answer, Sampled]:
    """Runs the pass; an interrupt ends it with the latest denoised latents."""
    drawing, watched = about.drawing, Watched()
    skips = negative_skips(drawing.params, about.calls)
    try:
        yield about.note(0)
        question = next(sampler)
        while True:
            if _refiner_takes_over(about, model, watched.calls, question):
                model = yield from _refined(about, model, question)
            asked = question if about.masked is None else about.masked.asked(question)
            image_cfg = drawing.params.image_cfg_scale if model.edits else None
            steps = guided(asked, [model.conditions] * pictures, about.cfg_scale, watched, skips, image_cfg)
            answer = yield from _answered(steps, model, about)
            if about.masked is not None:
                answer = about.masked.answered(question, answer)
                watched.denoised = question.clean(answer[0] if question.both else answer)
            yield about.note(watched.calls, watched.denoised)
            question = sampler.send(answer)
    except StopIteration as end:
        yield about.note(about.calls, watched.denoised)
        drawing.extras |= acted(drawing.params, watched.acted)
        return Sampled(end.value, True, True, model.checkpoint)
    except Interrupted as stop:
        drawing.extras |= acted(drawing.params, watched.acted)
        return Sampled(watched.denoised, False, stop.skip, model.checkpoint)


def _answered(steps: Guided, model: Model, about: Pass) -> Generator[Op, Answer, Tensor]:
    """Runs the rows of one question through the network."""
    try:
        rows = next(steps)
        while True:
            concat = None if model.concat is None else _concat(model.concat, rows)
            timestep = model.table.timestep_of(rows.sigma) if model.alters_schedule and rows.timestep is None else rows.timestep
            op = DenoiseRows(
                checkpoint=model.checkpoint,
                x=rows.x,
                sigmas=(rows.sigma,) * len(rows.x),
                context=rows.context,
                concat=concat,
                adapters=model.adapters,
                timesteps=None if timestep is None else (timestep,) * len(rows.x),
                network=about.network,
                vector=rows.vector,
                alphas=None if rows.timestep is None else (float(model.table.alphas_cumprod[int(rows.timestep)]),) * len(rows.x),
            )
            rows = steps.send(cast(Tensor, (yield op)))
    except StopIteration as end:
        return cast(Tensor, end.value)


def _concat(concat: Tensor, rows: Rows) -> Tensor:
    """One a row; nothing in those that are to see no picture."""
    one_for_all = len(concat) == 1
    # Not indexed by a list, which a card's loop would wait for.
    each = concat.expand(len(rows.x), -1, -1, -1) if one_for_all else torch.cat([concat[i : i + 1] for i in rows.pictures])
    if not rows.blind:
        return each
    seeing = len(rows.x) - rows.blind
    return torch.cat([each[:seeing], torch.zeros_like(each[seeing:])])


def _refiner_takes_over(about: Pass, model: Model, call: int, question: Denoise) -> bool:
    refiner = about.refiner
    if refiner is None or model.checkpoint == refiner.checkpoint:
        return False
    return refiner.is_due(call, about.calls, question, model.table)


def _refined(about: Pass, model: Model, question: Denoise) -> Generator[Op, Answer, Model]:
    """The refiner with the pass's prompts, which its own text encoder reads. LoRAs do not act on it: A1111's pictures say so."""
    assert about.refiner is not None
    drawing, checkpoint = about.drawing, about.refiner.checkpoint
    info = yield from drawing.info(checkpoint)
    if info.latent_channels != question.x.shape[1]:
        raise NotSupported(f"The refiner {info.name} has latents of another kind than the checkpoint; choose one of the same family.")
    height, width = question.x.shape[2:]
    refined = yield from drawing.model(checkpoint, about.said, (height, width), with_adapters=False)
    drawing.extras |= acted(drawing.params, told_of(drawing.params))
    drawing.checkpoints |= {label_of("refiner_checkpoint"): checkpoint}
    return refined


Touch = Callable[[int, Pixels], Generator[Op, Answer, Touched]]
"""The last touches to picture number n of a batch, after it was decoded."""


def untouched(number: int, pixels: Pixels) -> Generator[Op, Answer, Touched]:
    """The picture as it was decoded."""
    yield from ()
    return Touched(pixels)


def finished(
    latents: Tensor,
    checkpoint: str,
    drawing: Drawing,
    batch: int,
    touch: Touch = untouched,
    *,
    first_pass: bool = False,
) -> Generator[Op, Answer, None]:
    """Decodes a batch's pictures, a few at a time so that the first ones need not wait for the last, and hands them over."""
    params = drawing.params
    info = yield from drawing.info(params.checkpoint)
    vae = (yield from drawing.info(checkpoint)).vae
    network = NetworkSettings(tiling=params.tiling)
    for first in range(0, params.batch_size, DECODED_AT_ONCE):
        several = latents[first : first + DECODED_AT_ONCE]
        pixels = cast(Tensor, (yield Decode(checkpoint, several, vae, network, params.vae_tiling)))
        for number, picture in enumerate(pixels, first):
            index, done = batch * params.batch_size + number, (yield from touch(number, picture.numpy()))
            told = dict(drawing.extras), dict(drawing.checkpoints)
            yield Finished(index, done.pixels, params.seed_of(index), info, *told, done.beside, first_pass)
