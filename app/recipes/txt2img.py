"""Text to picture: noise, one pass of the sampler, perhaps the hires fix, decode."""

from collections.abc import Generator

from app.prompt import Tokenizer
from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing
from app.recipes.hires import check_readers, hires, hires_calls
from app.recipes.input_pictures import encoded
from app.recipes.ops import Answer, Op, Recipe
from app.recipes.passes import Pass, Sampled, finished, sampled
from app.recipes.refiner import refiner_of
from app.recipes.resize import InputPicture
from app.recipes.settings import picture_noise, sampler_options
from app.sampling.samplers import SAMPLERS
from app.schema.hires import LATENT_PX
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams


def txt2img(params: GenerationParams, tokenizer: Tokenizer, images: tuple[InputPicture, ...] = ()) -> Recipe:
    """Makes the job's pictures, `n_iter` batches one after another.

    With the hires fix, `images` may be finished first pictures, which are then enlarged; the first pass is left out.
    """
    drawing = Drawing(params, tokenizer)
    yield from check_readers(drawing)
    for batch in range(params.n_iter):
        given = params.has_hires and len(images) > 0
        end = yield from (_given(drawing, images) if given else _first_pass(drawing, batch))
        if params.has_hires and end.finished:
            if params.save_images_before_highres_fix and not given and end.latents is not None:
                yield from finished(end.latents, end.checkpoint, drawing, batch, first_pass=True)
            end = yield from hires(drawing, batch, end)
        if end.latents is not None:
            yield from finished(end.latents, end.checkpoint, drawing, batch)
        if not end.go_on:
            return


def _first_pass(drawing: Drawing, batch: int) -> Generator[Op, Answer, Sampled]:
    params = drawing.params
    info = yield from drawing.info(params.checkpoint)
    spec, table = SAMPLERS[params.sampler], drawing.table(info)
    options = sampler_options(params, spec, info)
    calls = spec.calls(params.steps)
    sigmas = spec.sigmas(params.scheduler, params.steps, table, options)
    said = Said(prompt=params.prompt, negative=params.negative_prompt, calls=calls, height_px=params.height, width_px=params.width)
    size = params.height // LATENT_PX, params.width // LATENT_PX
    noise = picture_noise(params, batch * params.batch_size, (info.latent_channels, *size), info)
    drawing.encoder_noise.follow(noise.seeds[-1], params.randn_source)
    model = yield from drawing.model(params.checkpoint, said, size)
    about = Pass(
        drawing=drawing,
        said=said,
        batch=batch,
        calls=calls,
        after=hires_calls(params),
        cfg_scale=params.cfg_scale,
        network=NetworkSettings(tiling=params.tiling, token_merging=params.token_merging),
        refiner=refiner_of(params, params.checkpoint, hires=False),
    )
    steps = spec.sample(spec.initial(noise.draw(), sigmas, options), sigmas, noise, options, table)
    return (yield from sampled(steps, model, about, params.batch_size))


def _given(drawing: Drawing, images: tuple[InputPicture, ...]) -> Generator[Op, Answer, Sampled]:
    """The latents of pictures that are there already, one a picture of the batch."""
    params = drawing.params
    info = yield from drawing.info(params.checkpoint)
    whole = yield from encoded(drawing, info, images)
    return Sampled(whole, finished=True, go_on=True, checkpoint=params.checkpoint)
