"""img2img that begins with the noise that would have led to the input picture, found under another prompt."""

from collections.abc import Generator
from math import sqrt

from torch import Tensor

from app.recipes.conditioning import Said
from app.recipes.drawing import Drawing
from app.recipes.ops import Answer, Op
from app.recipes.passes import Pass, Sampled, sampled
from app.sampling.inversion import inverted
from app.sampling.sigmas import build_sigmas
from app.sampling.table import NoiseTable
from app.schema.inversion import Inversion
from app.schema.network import NetworkSettings


def found_noise(
    drawing: Drawing, wanted: Inversion, batch: int, start: Tensor, drawn: Tensor, table: NoiseTable, after: int
) -> Generator[Op, Answer, Sampled]:
    """What is added to `start` (per unit of the schedule's first sigma) in the place of the unit noise `drawn`, or how far it came.

    `after`: denoiser calls of the pass that follows.
    """
    params = drawing.params
    said = Said(prompt=wanted.prompt, negative=wanted.negative_prompt, calls=wanted.steps, height_px=params.height, width_px=params.width)
    height, width = start.shape[2:]
    model = yield from drawing.model(params.checkpoint, said, (height, width))
    about = Pass(
        drawing=drawing,
        said=said,
        batch=batch,
        calls=wanted.steps,
        after=after,
        cfg_scale=wanted.cfg_scale,
        network=NetworkSettings(tiling=params.tiling, token_merging=params.token_merging),
    )
    sigmas = build_sigmas("uniform", wanted.steps, table)
    end = yield from sampled(inverted(start, sigmas, adjusted=wanted.sigma_adjustment), model, about, params.batch_size)
    if end.latents is None or not end.finished:
        return end
    share = wanted.randomness
    mixed = ((1 - share) * end.latents + share * drawn) / sqrt(share**2 + (1 - share) ** 2)
    return Sampled(mixed - start / table.sigma_max, True, True, end.checkpoint)
