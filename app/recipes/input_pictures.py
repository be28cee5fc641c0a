"""The latents of a job's input pictures."""

from collections.abc import Callable, Generator
from typing import cast

import torch
from torch import Tensor

from app.recipes.ops import Answer, EncodeImage, Op
from app.recipes.resize import InputPicture, Pixels, to_unit
from app.schema.network import NetworkSettings
from app.schema.params import GenerationParams


def encoded(
    params: GenerationParams, vae: str, images: tuple[InputPicture, ...], fit: Callable[[Pixels], Pixels] = lambda pixels: pixels
) -> Generator[Op, Answer, Tensor]:
    """(batch size, channels, height/8, width/8): every picture once, one decoded at a time, repeated to fill the batch."""
    starts, latents = images[: params.batch_size], dict[InputPicture, Tensor]()
    network = NetworkSettings(tiling=params.tiling)
    for start in dict.fromkeys(starts):
        latents[start] = cast(Tensor, (yield EncodeImage(params.checkpoint, to_unit(fit(start())), vae, network)))
    return torch.cat([latents[starts[i % len(starts)]] for i in range(params.batch_size)])
