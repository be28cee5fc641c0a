"""Text to picture: noise, one pass of the sampler, decode."""

from typing import cast

from app.prompt import Tokenizer
from app.recipes.adapters import adapters_of
from app.recipes.conditioning import conditions_of
from app.recipes.inpainting import blank_concat
from app.recipes.ops import Load, ModelInfo, Recipe
from app.recipes.passes import Pass, finished, sampled
from app.recipes.settings import negative_skips, picture_noise, sampler_options
from app.sampling.samplers import SAMPLERS
from app.sampling.table import NoiseTable
from app.schema.params import GenerationParams


def txt2img(params: GenerationParams, tokenizer: Tokenizer) -> Recipe:
    """Makes the job's pictures, `n_iter` batches one after another, each batch in one pass."""
    info = cast(ModelInfo, (yield Load(params.checkpoint, params.vae, params.vae_wins)))
    spec, table = SAMPLERS[params.sampler], NoiseTable(info.alphas_cumprod)
    options = sampler_options(params, spec)
    calls = spec.calls(params.steps)
    sigmas = spec.sigmas(params.scheduler, params.steps, table, options)
    found = yield from adapters_of(params, params.prompt, params.checkpoint)
    conditions, told = yield from conditions_of(params, tokenizer, calls, info, found.adapters)
    shape = (info.latent_channels, params.height // 8, params.width // 8)
    concat, extras = yield from blank_concat(params, info)
    extras |= info.told | found.told | told
    skips = negative_skips(params, spec, table, calls)
    for batch in range(params.n_iter):
        about = Pass(params=params, batch=batch, calls=calls, skips=skips, concat=concat, adapters=found.adapters)
        noise = picture_noise(params, about.first, shape, info)
        steps = spec.sample(spec.initial(noise.draw(), sigmas, options), sigmas, noise, options, table)
        end = yield from sampled(steps, conditions, about, params.batch_size)
        extras |= end.told
        if end.latents is not None:
            latents = spec.finish(end.latents, sigmas) if end.finished else end.latents
            yield from finished(latents, about, info, extras)
        if not end.go_on:
            return
