"""The hires fix: the first pass's picture is enlarged, and a part of a schedule runs again at the new size."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing
from app.recipes.encoding import drawn
from app.recipes.ops import Answer, Decode, EncodeImage, Op, aside
from app.recipes.passes import Pass, Sampled, sampled
from app.recipes.refiner import refiner_of
from app.recipes.resize import Pixels, to_unit
from app.recipes.settings import label_of, picture_noise, sampler_options
from app.sampling.img2img import stretched_steps
from app.sampling.samplers import SAMPLERS
from app.schema.hires import LATENT_PX, HiresSize
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams
from app.schema.upscalers import LatentUpscaler, find_hires_upscaler
from app.upscaling import enlarged


def hires_calls(params: GenerationParams) -> int:
    """Denoiser calls of a job's hires pass; 0 if it has none."""
    if not params.has_hires or params.strength == 0:
        return 0
    return SAMPLERS[params.hr_sampler or params.sampler].calls(params.hr_second_pass_steps or params.steps)


def check_readers(drawing: Drawing) -> Generator[Op, Answer, None]:
    """NotSupported where the hires pass cannot be given what the first pass's text encoder reads: told before the first pass is drawn."""
    params = drawing.params
    if not (hires_calls(params) and params.hires_fix_use_firstpass_conds):
        return
    checkpoint = params.hr_checkpoint or params.checkpoint
    refiner = refiner_of(params, checkpoint, hires=True)
    yield from drawing.info(params.checkpoint)
    for name in (checkpoint, *([refiner.checkpoint] if refiner else [])):
        yield from drawing.first_reader((yield from drawing.info(name)))


def hires(drawing: Drawing, batch: int, first: Sampled) -> Generator[Op, Answer, Sampled]:
    """The second pass of a batch, from the latents of its first; an interrupt before its first step leaves the first pass's."""
    params = drawing.params
    checkpoint = params.hr_checkpoint or params.checkpoint
    latents = yield from _enlarged(drawing, first, checkpoint)
    if params.hr_checkpoint:
        drawing.checkpoints |= {label_of("hr_checkpoint"): checkpoint}
    start = Sampled(latents, finished=True, go_on=True, checkpoint=checkpoint)
    end = yield from _second_pass(drawing, batch, start) if hires_calls(params) else _nothing(start)
    return end if end.latents is not None else replace(first, go_on=end.go_on)


def _nothing(start: Sampled) -> Generator[Op, Answer, Sampled]:
    """Strength 0: the enlarged picture is the finished one."""
    yield from ()
    return start


def _second_pass(drawing: Drawing, batch: int, start: Sampled) -> Generator[Op, Answer, Sampled]:
    params, checkpoint = drawing.params, start.checkpoint
    assert start.latents is not None
    info = yield from drawing.info(checkpoint)
    spec, table = SAMPLERS[params.hr_sampler or params.sampler], drawing.table(info)
    options = sampler_options(params, spec, info)
    steps = params.hr_second_pass_steps or params.steps
    entry = spec.entry(params.hr_scheduler or params.scheduler, stretched_steps(steps, params.strength), steps - 1, table, options)
    said = Said(
        prompt=params.hr_prompt or params.prompt,
        negative=params.hr_negative_prompt or params.negative_prompt,
        calls=(first_calls := SAMPLERS[params.sampler].calls(params.steps)),
        hires_calls=(calls := hires_calls(params)),
        height_px=params.hires_size.enlarged[1],
        width_px=params.hires_size.enlarged[0],
    )
    height, width = start.latents.shape[2:]
    model = yield from drawing.model(checkpoint, said, (height, width))
    about = Pass(
        drawing=drawing,
        said=said,
        batch=batch,
        calls=calls,
        before=first_calls,
        cfg_scale=params.cfg_scale if params.hr_cfg is None else params.hr_cfg,
        network=NetworkSettings(tiling=params.tiling, token_merging=params.token_merging_hires),
        refiner=refiner_of(params, checkpoint, hires=True),
    )
    noise = picture_noise(params, batch * params.batch_size, start.latents.shape[1:], info, entry.span)
    begin = entry.latents(start.latents, noise.draw(), params.img2img_extra_noise)
    return (yield from sampled(spec.sample(begin, entry.sigmas, noise, options, table), model, about, params.batch_size))


def _enlarged(drawing: Drawing, first: Sampled, checkpoint: str) -> Generator[Op, Answer, Tensor]:
    """The first pass's latents at the new size: interpolated, or decoded, enlarged as pictures and encoded by the hires checkpoint."""
    params = drawing.params
    assert first.latents is not None
    how = find_hires_upscaler(params.hr_upscaler)
    if how is not None:
        return _cut(_interpolated(first.latents, params.hires_size, how), params.hires_size)
    network = NetworkSettings(tiling=params.tiling)
    decoder, hires = (yield from drawing.info(first.checkpoint)).vae, (yield from drawing.info(checkpoint))
    latents = []
    for latent in first.latents:
        pixels = cast(Tensor, (yield Decode(first.checkpoint, latent[None], decoder, network)))[0].numpy()
        larger = yield from aside(partial(_larger, pixels, params))
        encoding = cast(Tensor, (yield EncodeImage(checkpoint, larger, hires.vae, network)))
        latents.append(drawn(encoding, drawing.encoder_noise, hires.latent_scale))
    return _cut(torch.cat(latents), params.hires_size)


def _larger(pixels: Pixels, params: GenerationParams) -> Tensor:
    return to_unit(np.asarray(enlarged(Image.fromarray(pixels), *params.hires_size.enlarged, params.hr_upscaler)))


def _interpolated(latents: Tensor, size: HiresSize, how: LatentUpscaler) -> Tensor:
    width, height = (side // LATENT_PX for side in size.enlarged)
    return F.interpolate(latents, size=(height, width), mode=how.mode, antialias=how.antialias)


def _cut(latents: Tensor, size: HiresSize) -> Tensor:
    """Without what sticks out of the target: the larger half of it at the end."""
    columns, rows = size.cut
    height, width = latents.shape[2:]
    return latents[:, :, rows // 2 : height - (rows + 1) // 2, columns // 2 : width - (columns + 1) // 2].contiguous()
