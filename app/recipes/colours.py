"""Colour correction: a result in the colours of the picture it began with, its own light and dark kept."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from app.recipes.lab import Floats, Integers, from_lab, to_lab
from app.recipes.resize import Pixels

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
"""Their shares in a colour's luminosity."""
_ROWS_AT_ONCE = 256
"""Wide numbers for a whole picture would take many times its own memory."""


def matched(result: Image.Image, original: Image.Image) -> Image.Image:
    """`result` with its histograms in CIE L*a*b* moved to those of `original`, and then its own luminosity again; both RGB."""
    pixels = np.asarray(result)
    lab, wanted = _in_bands(to_lab, pixels), _in_bands(to_lab, np.asarray(original))
    moved = np.stack([_matched_channel(lab[..., i], wanted[..., i]) for i in range(3)], axis=-1)
    return Image.fromarray(_in_bands(lambda colours, light: _with_luminosity(from_lab(colours), light), moved, pixels))


def _in_bands(function: Callable[..., Pixels], *pictures: Pixels) -> Pixels:
    """A function of pixels that do not know each other, a few rows at a time."""
    bands = range(0, len(pictures[0]), _ROWS_AT_ONCE)
    return np.concatenate([function(*(picture[first : first + _ROWS_AT_ONCE] for picture in pictures)) for first in bands])


def _matched_channel(values: Pixels, wanted: Pixels) -> Pixels:
    """Histogram matching (Gonzalez & Woods, "Digital Image Processing", 3.3.2), with values between levels cut."""
    shares = _histogram(values).cumsum() / values.size
    counts = _histogram(wanted)
    levels = counts.nonzero()[0]
    table = np.interp(shares, counts[levels].cumsum() / wanted.size, levels)
    return table.astype(np.uint8)[values]


def _histogram(values: Pixels) -> Integers:
    return np.array(Image.fromarray(np.ascontiguousarray(values)).histogram())


def _luminosity(colours: Floats) -> Floats:
    """Summed up in this order: many results are whole levels but for the last place, and are cut."""
    light: Floats = colours[..., 0] * _RED + colours[..., 1] * _GREEN + colours[..., 2] * _BLUE
    return light[..., None]


def _with_luminosity(colours: Pixels, light: Pixels) -> Pixels:
    """`colours` with the luminosity of `light` (blend mode luminosity; W3C Compositing and Blending, 10.3)."""
    moved: Floats = colours / 255
    moved = moved + (_luminosity(light / 255) - _luminosity(moved))
    middle = _luminosity(moved)
    low, high = moved.min(axis=-1, keepdims=True), moved.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(low < 0, middle + (moved - middle) * middle / (middle - low), moved)
        moved = np.where(high > 1, middle + (moved - middle) * (1 - middle) / (high - middle), moved)
    return (moved.clip(0, 1) * 255).astype(np.uint8)
