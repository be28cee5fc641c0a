"""Picture to picture: the encoded picture under noise, then the end of the schedule."""

from app.prompt import Tokenizer
from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing
from app.recipes.input_pictures import encoded
from app.recipes.ops import Recipe
from app.recipes.passes import Pass, finished, sampled
from app.recipes.refiner import refiner_of
from app.recipes.resize import InputPicture, resized
from app.recipes.settings import picture_noise, sampler_options
from app.sampling.img2img import Entry, entry_step, stretched_steps
from app.sampling.samplers import SAMPLERS, SamplerOptions, SamplerSpec
from app.sampling.table import NoiseTable
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams


def img2img(params: GenerationParams, tokenizer: Tokenizer, images: tuple[InputPicture, ...]) -> Recipe:
    """Makes the job's pictures from the input pictures; one input serves a whole batch, several are one a picture."""
    drawing = Drawing(params, tokenizer)
    info = yield from drawing.info(params.checkpoint)
    spec, table = SAMPLERS[params.sampler], drawing.table(info)
    options = sampler_options(params, spec)
    entry = _entry(params, spec, table, options)
    calls = spec.calls(max(1, len(entry.sigmas) - 1))
    # Prompts name steps of the whole schedule, and are counted from the first one that is run.
    said = Said(prompt=params.prompt, negative=params.negative_prompt, calls=spec.calls(params.steps))
    start = yield from encoded(params, info.vae, images, lambda pixels: resized(pixels, params.width, params.height, params.resize_mode))
    height, width = start.shape[2:]
    for batch in range(params.n_iter):
        model = yield from drawing.model(params.checkpoint, said, (height, width))
        about = Pass(
            drawing=drawing,
            spec=spec,
            said=said,
            batch=batch,
            calls=calls,
            cfg_scale=params.cfg_scale,
            network=NetworkSettings(tiling=params.tiling, token_merging=params.token_merging),
            refiner=refiner_of(params, params.checkpoint, hires=False),
        )
        noise = picture_noise(params, batch * params.batch_size, start.shape[1:], info, entry.span)
        begin = entry.latents(start, noise.draw() * params.initial_noise_multiplier, params.img2img_extra_noise)
        end = yield from sampled(spec.sample(begin, entry.sigmas, noise, options, table), model, about, params.batch_size)
        end = end.cleaned(spec, entry.sigmas)
        if end.latents is not None:
            yield from finished(end.latents, end.checkpoint, drawing, batch)
        if not end.go_on:
            return


def _entry(params: GenerationParams, spec: SamplerSpec, table: NoiseTable, options: SamplerOptions) -> Entry:
    """Where the pass begins; with `img2img_fix_steps` the schedule is longer, so that the wanted number of steps is run."""
    if params.img2img_fix_steps and params.strength > 0:
        return spec.entry(params.scheduler, stretched_steps(params.steps, params.strength), params.steps - 1, table, options)
    return spec.entry(params.scheduler, params.steps, entry_step(params.steps, params.strength), table, options)
