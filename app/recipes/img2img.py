"""Picture to picture: the encoded picture under noise, then the end of the schedule; with a mask only a part of it."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial

from torch import Tensor

from app.prompt import Tokenizer
from app.recipes.canvas import Canvas, Touched
from app.recipes.concat import Source
from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing
from app.recipes.input_pictures import encoded, one_each
from app.recipes.inversion import found_noise
from app.recipes.masks import Masks, PixelMask, pixel_mask, rounds
from app.recipes.ops import Answer, ModelInfo, Op, Recipe, aside
from app.recipes.passes import Pass, Sampled, Touch, finished, sampled
from app.recipes.refiner import refiner_of
from app.recipes.resize import InputPicture, Pixels
from app.recipes.settings import picture_noise, sampler_options
from app.recipes.soft import Difference
from app.sampling.img2img import Entry, entry_step, stretched_steps
from app.sampling.masked import Masked
from app.sampling.noise import PictureNoise
from app.sampling.samplers import SAMPLERS, SamplerOptions, SamplerSpec
from app.sampling.soft import SoftBlend
from app.sampling.table import NoiseTable
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams

LATENT_NOISE, LATENT_NOTHING = 2, 3
"""`inpainting_fill`"""


def img2img(
    params: GenerationParams, tokenizer: Tokenizer, images: tuple[InputPicture, ...], masks: Masks, colours: InputPicture | None
) -> Recipe:
    """Makes the job's pictures from the input pictures; one input serves a whole batch, several are one a picture."""
    starts = one_each(params, images)
    mask = (yield from aside(partial(pixel_mask, params, masks, starts))) if masks.pixels is not None else None
    canvas = Canvas(params, mask, colours)
    drawing = Drawing(params, tokenizer, Source(canvas, starts))
    drawing.tell({} if canvas.mask is None else canvas.mask.told)
    info = yield from drawing.info(params.checkpoint)
    start = yield from encoded(drawing, info, images, canvas.start)
    masked = None if canvas.mask is None else _masked(drawing, canvas.mask, start, info)
    if masked is not None:
        start = masked.original

    for batch in range(params.n_iter):
        end = yield from _pass(drawing, batch, start, masked)
        if end.latents is not None:
            yield from finished(end.latents, end.checkpoint, drawing, batch, _touch(canvas, starts, end.latents, masked))
        if not end.go_on:
            return


def _touch(canvas: Canvas, starts: tuple[InputPicture, ...], latents: Tensor, masked: Masked | None) -> Touch:
    """The last touches to the pictures of a batch with these latents."""
    params = canvas.params

    def touch(number: int, pixels: Pixels) -> Generator[Op, Answer, Touched]:
        shown = None
        if masked is not None and masked.soft is not None:
            size = params.width, params.height
            shown = Difference.of(params).mask(latents[number], masked.original[number], masked.drawn[0, 0], size)
        return (yield from aside(partial(canvas.finish, starts[number], pixels, shown)))

    return touch


def _pass(drawing: Drawing, batch: int, start: Tensor, masked: Masked | None) -> Generator[Op, Answer, Sampled]:
    params = drawing.params
    info = yield from drawing.info(params.checkpoint)
    spec, table = SAMPLERS[params.sampler], drawing.table(info)
    options = sampler_options(params, spec, info)
    entry = _entry(params, spec, table, options)
    # Prompts name steps of the whole schedule, and are counted from the first one that is run.
    calls_in_all = spec.calls(params.steps)
    said = Said(prompt=params.prompt, negative=params.negative_prompt, calls=calls_in_all, height_px=params.height, width_px=params.width)
    height, width = start.shape[2:]
    model = yield from drawing.model(params.checkpoint, said, (height, width))
    about = Pass(
        drawing=drawing,
        said=said,
        batch=batch,
        calls=spec.calls(max(1, len(entry.sigmas) - 1)),
        cfg_scale=params.cfg_scale,
        network=NetworkSettings(tiling=params.tiling, token_merging=params.token_merging),
        refiner=refiner_of(params, params.checkpoint, hires=False),
        masked=masked,
    )
    noise = picture_noise(params, batch * params.batch_size, start.shape[1:], info, entry.span)
    unit = noise.draw() * params.initial_noise_multiplier
    if params.inversion is not None:
        found = yield from found_noise(drawing, params.inversion, batch, start, unit, table, about.calls)
        if found.latents is None or not found.finished:
            return found
        unit, about = found.latents, replace(about, before=params.inversion.steps)
    begin = entry.latents(start, unit, params.img2img_extra_noise)
    end = yield from sampled(spec.sample(begin, entry.sigmas, noise, options, table), model, about, params.batch_size)
    return end.masked(masked)


def _masked(drawing: Drawing, mask: PixelMask, start: Tensor, info: ModelInfo) -> Masked:
    """What is drawn of the latents, with what is under the mask at first in them."""
    params = drawing.params
    drawn = mask.latent(*start.shape[2:], whole=rounds(params)).to(start.device)
    if params.inpainting_fill == LATENT_NOISE:
        seeds = [params.seed_of(i) for i in range(params.batch_size)]  # of the first batch, for all: as in A1111
        noise = PictureNoise(seeds, start.shape[1:], device=info.device, kind=params.randn_source).draw()
        drawing.encoder_noise.follow(seeds[-1], params.randn_source)
        start = start * (1 - drawn) + noise * drawn
    elif params.inpainting_fill == LATENT_NOTHING:
        start = start * (1 - drawn)
    return Masked(start, drawn, soft=_soft(params))


def _soft(params: GenerationParams) -> SoftBlend | None:
    if not params.soft_inpainting:
        return None
    return SoftBlend(
        bias=params.soft_inpainting_bias,
        preservation=params.soft_inpainting_preservation,
        contrast=params.soft_inpainting_contrast,
    )


def _entry(params: GenerationParams, spec: SamplerSpec, table: NoiseTable, options: SamplerOptions) -> Entry:
    """Where the pass begins; with `img2img_fix_steps` the schedule is longer, so that the wanted number of steps is run."""
    if params.img2img_fix_steps and params.strength > 0:
        return spec.entry(params.scheduler, stretched_steps(params.steps, params.strength), params.steps - 1, table, options)
    return spec.entry(params.scheduler, params.steps, entry_step(params.steps, params.strength), table, options)
