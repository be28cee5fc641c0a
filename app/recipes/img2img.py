"""Picture to picture: the encoded picture under noise, then the end of the schedule."""

from collections.abc import Generator
from typing import cast

import torch
from torch import Tensor

from app.prompt import Tokenizer
from app.recipes.adapters import adapters_of
from app.recipes.conditioning import conditions_of
from app.recipes.inpainting import blank_concat
from app.recipes.ops import Answer, EncodeImage, Load, ModelInfo, Op, Recipe
from app.recipes.passes import Pass, finished, sampled
from app.recipes.resize import Pixels, resized, to_unit
from app.recipes.settings import negative_skips, picture_noise, sampler_options
from app.sampling.img2img import entry_step
from app.sampling.samplers import SAMPLERS
from app.sampling.table import NoiseTable
from app.schema.params import GenerationParams


def img2img(params: GenerationParams, tokenizer: Tokenizer, images: tuple[Pixels, ...]) -> Recipe:
    """Makes the job's pictures from the input pictures; one input serves a whole batch, several are one a picture."""
    info = cast(ModelInfo, (yield Load(params.checkpoint, params.vae, params.vae_wins)))
    spec, table = SAMPLERS[params.sampler], NoiseTable(info.alphas_cumprod)
    options = sampler_options(params, spec)
    entry = spec.entry(params.scheduler, params.steps, entry_step(params.steps, params.strength), table, options)
    found = yield from adapters_of(params, params.prompt, params.checkpoint)
    calls = spec.calls(params.steps)  # prompts name steps of the whole schedule
    conditions, told = yield from conditions_of(params, tokenizer, calls, info, found.adapters)
    start = yield from _encoded(params, info, images)
    concat, extras = yield from blank_concat(params, info)
    extras |= info.told | found.told | told
    calls = spec.calls(max(1, len(entry.sigmas) - 1))
    skips = negative_skips(params, spec, table, calls)
    for batch in range(params.n_iter):
        about = Pass(params=params, batch=batch, calls=calls, skips=skips, concat=concat, adapters=found.adapters)
        noise = picture_noise(params, about.first, start.shape[1:], info, entry.span)
        steps = spec.sample(entry.latents(start, noise.draw()), entry.sigmas, noise, options, table)
        end = yield from sampled(steps, conditions, about, params.batch_size)
        extras |= end.told
        if end.latents is not None:
            latents = spec.finish(end.latents, entry.sigmas) if end.finished else end.latents
            yield from finished(latents, about, info, extras)
        if not end.go_on:
            return


def _encoded(params: GenerationParams, info: ModelInfo, images: tuple[Pixels, ...]) -> Generator[Op, Answer, Tensor]:
    """(batch size, channels, height/8, width/8): every input once, repeated to fill the batch."""
    latents = []
    for pixels in images[: params.batch_size]:
        unit = to_unit(resized(pixels, params.width, params.height, params.resize_mode))
        latents.append(cast(Tensor, (yield EncodeImage(params.checkpoint, unit, info.vae))))
    return torch.cat([latents[i % len(latents)] for i in range(params.batch_size)])
