"""What checkpoints with further input channels want beside the latents: inpainting (a mask and a picture), editing (a picture)."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from app.recipes.canvas import Canvas
from app.recipes.encoding import drawn_each, means
from app.recipes.masks import rounds
from app.recipes.ops import Answer, EncodeImage, ModelInfo, Op, aside
from app.recipes.resize import InputPicture, to_unit
from app.recipes.settings import acted
from app.sampling.encoder_noise import EncoderNoise
from app.schema.errors import NotSupported
from app.schema.hires import LATENT_PX
from app.schema.params import GenerationParams

MID_GREY = 0.0
"""Of the range -1..1."""
Told = dict[str, str]


@dataclass(frozen=True, eq=False)
class Source:
    """The pictures a job starts from, one each picture of a batch."""

    canvas: Canvas
    pictures: tuple[InputPicture, ...]

    def start(self, picture: InputPicture) -> Tensor:
        """What is encoded of a picture: (1, 3, height, width) float32 in -1..1."""
        return to_unit(self.canvas.start(picture))


def concat_of(
    params: GenerationParams,
    info: ModelInfo,
    checkpoint: str,
    latent_size: tuple[int, int],
    source: Source | None,
    noise: EncoderNoise,
) -> Generator[Op, Answer, tuple[Tensor | None, Told]]:
    """(1 or pictures, concat channels, height/8, width/8) with the infotext fields that say so; nothing for plain checkpoints."""
    if info.concat_channels == 0:
        return None, {}
    if info.edits:
        if source is None:
            raise NotSupported(f"{info.name} edits pictures (InstructPix2Pix); text to picture needs a plain or an inpainting checkpoint.")
        told = acted(params, ["image_cfg_scale"]) if params.image_cfg_scale is not None else {}
        return (yield from _edited(info, checkpoint, latent_size, source)), told
    if info.concat_channels != info.latent_channels + 1:
        raise NotSupported(f"{info.name} takes {info.concat_channels} further channels, which no kind of picture is known for.")
    told = acted(params, ["inpainting_mask_weight"])
    if source is None:
        concat = yield from _blank(info, checkpoint, latent_size, params.batch_size, noise)
        return concat, told if info.rules.tells_blank_mask else {}
    return (yield from _inpainted(params, info, checkpoint, latent_size, source, noise)), told


def _blank(
    info: ModelInfo, checkpoint: str, latent_size: tuple[int, int], pictures: int, noise: EncoderNoise
) -> Generator[Op, Answer, Tensor]:
    """A full mask over the encoding of a mid-grey picture."""
    height, width = latent_size
    grey = torch.full((1, 3, height * LATENT_PX, width * LATENT_PX), MID_GREY)
    encoding = cast(Tensor, (yield EncodeImage(checkpoint, grey, info.vae)))
    latents = torch.cat(drawn_each([encoding] * pictures, noise, info.latent_scale))
    return torch.cat([torch.ones(pictures, 1, *latents.shape[2:], device=latents.device), latents], dim=1)


def _edited(info: ModelInfo, checkpoint: str, latent_size: tuple[int, int], source: Source) -> Generator[Op, Answer, Tensor]:
    """The picture's latents as the autoencoder gives them, not scaled (Brooks et al. 2023 trained so)."""
    found: dict[InputPicture, Tensor] = {}
    for picture in dict.fromkeys(source.pictures):
        pixels = yield from aside(partial(source.start, picture))
        found[picture] = _fitted(means(cast(Tensor, (yield EncodeImage(checkpoint, pixels, info.vae)))), latent_size)
    if len(found) == 1:
        return next(iter(found.values()))
    return torch.cat([found[picture] for picture in source.pictures])


def _inpainted(
    params: GenerationParams, info: ModelInfo, checkpoint: str, latent_size: tuple[int, int], source: Source, noise: EncoderNoise
) -> Generator[Op, Answer, Tensor]:
    """The mask (all of the picture without one) and the picture with the masked part grey, as far as the mask weight says."""
    mask = source.canvas.mask
    encodings, masks = dict[InputPicture, Tensor](), dict[InputPicture, Tensor]()
    for picture in dict.fromkeys(source.pictures):
        pixels = yield from aside(partial(source.start, picture))
        size = pixels.shape[2:]
        drawn = torch.ones(1, 1, *size) if mask is None else mask.pixels(size[0], size[1], whole=rounds(params))
        hidden = torch.lerp(pixels, pixels * (1 - drawn), params.inpainting_mask_weight)
        encodings[picture] = encoding = cast(Tensor, (yield EncodeImage(checkpoint, hidden, info.vae, at_once=len(source.pictures))))
        masks[picture] = F.interpolate(drawn, size=encoding.shape[2:]).to(encoding.device)
    latents = drawn_each([encodings[picture] for picture in source.pictures], noise, info.latent_scale)
    both = [torch.cat([masks[picture], each], dim=1) for picture, each in zip(source.pictures, latents, strict=True)]
    return torch.cat([_fitted(each, latent_size) for each in both])


def _fitted(latents: Tensor, size: tuple[int, int]) -> Tensor:
    """At the size of what is drawn, which is another where latents are resized."""
    return latents if latents.shape[2:] == size else F.interpolate(latents, size=size, mode="bilinear")
