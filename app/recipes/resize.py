"""Bringing an input picture or a mask to a size: A1111's resize modes, on 8-bit pixels through Pillow."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
InputPicture = Callable[[], Pixels]
"""Decodes an input picture (height, width, 3) or a mask (height, width); equal ones are one."""

STRETCH, COVER, FIT, LATENT = range(4)
"""Resize modes: to the size whatever the shape; cut what sticks out; fill what is missing from the edges; in latent space."""


def resized(image: Image.Image, width: int, height: int, mode: int) -> Image.Image:
    """The picture at a size; pixels have no `LATENT` mode, which counts as `FIT`."""
    if mode == STRETCH or image.width * height == image.height * width:
        return _scaled(image, width, height)
    ratio, wanted = image.width / image.height, width / height
    wider = wanted > ratio
    if mode == COVER:
        inner = (width, image.height * width // image.width) if wider else (image.width * height // image.height, height)
    else:
        inner = (image.width * height // image.height, height) if wider else (width, image.height * width // image.width)
    middle = _scaled(image, *inner)
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(middle, (left, top))
    if mode != COVER and left > 0:
        canvas.paste(middle.resize((left, height), box=(0, 0, 0, middle.height)), (0, 0))
        canvas.paste(middle.resize((left, height), box=(middle.width, 0, middle.width, middle.height)), (left + inner[0], 0))
    elif mode != COVER and top > 0:
        canvas.paste(middle.resize((width, top), box=(0, 0, middle.width, 0)), (0, 0))
        canvas.paste(middle.resize((width, top), box=(0, middle.height, middle.width, middle.height)), (0, top + inner[1]))
    return canvas


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    return image if image.size == (width, height) else image.resize((max(1, width), max(1, height)), Image.Resampling.LANCZOS)


def to_unit(pixels: Pixels) -> Tensor:
    """(1, 3, height, width) float32 in -1..1 from 8-bit pixels.

    In the order of memory that it says: convolutions round otherwise in another, and what is next to nothing (grey) is all rounding.
    """
    return (torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].contiguous().float() / 255) * 2 - 1
