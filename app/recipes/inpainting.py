"""What inpainting checkpoints (9 input channels) want beside the latents when there is nothing to inpaint."""

from collections.abc import Generator
from typing import cast

import torch
from torch import Tensor

from app.recipes.ops import Answer, EncodeImage, ModelInfo, Op
from app.schema.errors import NotSupported
from app.schema.hires import LATENT_PX

MID_GREY = 0.0
"""Of the range -1..1."""


def blank_concat(
    info: ModelInfo, checkpoint: str, latent_size: tuple[int, int]
) -> Generator[Op, Answer, tuple[Tensor | None, dict[str, str]]]:
    """A full mask over the encoding of a mid-grey picture, and the infotext field that says so; nothing for plain checkpoints."""
    if info.concat_channels == 0:
        return None, {}
    if info.concat_channels != info.latent_channels + 1:
        raise NotSupported(f"{info.name} edits pictures (InstructPix2Pix); text to picture needs a plain or an inpainting checkpoint.")
    height, width = latent_size
    grey = torch.full((1, 3, height * LATENT_PX, width * LATENT_PX), MID_GREY)
    latents = cast(Tensor, (yield EncodeImage(checkpoint, grey, info.vae)))
    mask = torch.ones(1, 1, *latents.shape[2:])
    return torch.cat([mask, latents], dim=1), {"Conditional mask weight": "1.0"}
