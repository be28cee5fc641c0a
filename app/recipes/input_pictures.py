"""The latents of a job's input pictures."""

from collections.abc import Callable, Generator
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from app.recipes.drawing import Drawing
from app.recipes.encoding import drawn_each
from app.recipes.ops import Answer, EncodeImage, ModelInfo, Op, aside
from app.recipes.resize import LATENT, InputPicture, Pixels, to_unit
from app.schema.hires import LATENT_PX
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams


def one_each(params: GenerationParams, images: tuple[InputPicture, ...]) -> tuple[InputPicture, ...]:
    """The input picture of every picture of a batch: those there are, in turn."""
    starts = images[: params.batch_size]
    return tuple(starts[i % len(starts)] for i in range(params.batch_size))


def encoded(
    drawing: Drawing, info: ModelInfo, images: tuple[InputPicture, ...], fit: Callable[[InputPicture], Pixels] = lambda image: image()
) -> Generator[Op, Answer, Tensor]:
    """(batch size, channels, height/8, width/8): every picture is encoded once, one decoded at a time, and drawn for each of the batch."""
    params = drawing.params
    starts, encodings = one_each(params, images), dict[InputPicture, Tensor]()
    network = NetworkSettings(tiling=params.tiling)
    for start in dict.fromkeys(starts):
        pixels = yield from aside(partial(_fitted, fit, start))
        encodings[start] = cast(Tensor, (yield EncodeImage(params.checkpoint, pixels, info.vae, network)))
    latents = drawn_each([encodings[start] for start in starts], drawing.encoder_noise, info.latent_scale)
    if params.mode == "img2img" and params.resize_mode == LATENT:
        size = params.height // LATENT_PX, params.width // LATENT_PX
        latents = [F.interpolate(each, size=size, mode="bilinear") for each in latents]
    return torch.cat(latents)


def _fitted(fit: Callable[[InputPicture], Pixels], picture: InputPicture) -> Tensor:
    return to_unit(fit(picture))
