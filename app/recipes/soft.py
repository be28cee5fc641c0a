"""The last blend of soft inpainting: the original shines through where the drawing has not changed it much."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from app.recipes.resize import FIT, resized
from app.schema.params import GenerationParams

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

RADIUS, DEVIATION = 2, 1.5
"""Of the windows in which changes are looked at, in latents."""
BLUR_PX = 4
_ROWS_AT_ONCE = 64
_NEARLY = 1.00001


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much change hides the original."""

    preservation: float
    mask_influence: float
    threshold: float
    contrast: float

    @classmethod
    def of(cls, params: GenerationParams) -> "Difference":
        """As the settings say."""
        return cls(
            preservation=params.soft_inpainting_preservation,
            mask_influence=params.soft_inpainting_mask_influence,
            threshold=params.soft_inpainting_threshold,
            contrast=params.soft_inpainting_difference_contrast,
        )

    def mask(self, latents: Tensor, original: Tensor, drawn: Tensor, size: tuple[int, int]) -> Image.Image:
        """Grey, of `size` (width, height), white where the drawing shows.

        Latents are (channels, height/8, width/8), `drawn` is (height/8, width/8).
        """
        changed = torch.linalg.vector_norm(latents - original, dim=0).cpu().numpy()
        # The largest changes around each place, then the middle ones of those: no single latent decides.
        changed = averaged(averaged(changed, 0.9, 1.0), 0.25, 0.75)
        # In float32, as everything here, or what is drawn all but for a millionth would be cut to 254 of 255 below.
        free = 1 - drawn.clamp(0, 1).cpu().numpy() ** np.float32(self.preservation / 2)
        free = 0.5 * (1 - self.mask_influence) + free * self.mask_influence
        half = self.threshold * free / (_NEARLY - free)
        """The change at which half of the original is hidden."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            shines = 1 / (1 + (changed / half) ** self.contrast)
        shines = np.nan_to_num(shines, nan=1.0)
        shown = 1 - shines**3 * (shines * (6 * shines - 15) + 10)
        mask = Image.fromarray((255 * shown).astype(np.uint8))
        return resized(mask, *size, FIT).filter(ImageFilter.GaussianBlur(BLUR_PX))


def averaged(values: Floats, low: float, high: float) -> Floats:
    """(height, width): the mean of the values around each place that are between two shares of their ranking, weighted by nearness.

    The shares span at least one unit of weight, that of the place itself.
    """
    padded = np.pad(values, RADIUS)
    inside = np.pad(np.ones(values.shape, np.float32), RADIUS)
    weights = _nearness()
    found = np.empty(values.shape, np.float32)
    for rows in _bands(values.shape[0]):
        windows, there = (_windows(one, rows, values.shape[1]) for one in (padded, inside))
        found[rows] = _mean_between(windows, there * weights, low, high)
    return found


def _bands(height: int) -> Iterator[slice]:
    return (slice(first, min(first + _ROWS_AT_ONCE, height)) for first in range(0, height, _ROWS_AT_ONCE))


def _windows(padded: Floats, rows: slice, width: int) -> Floats:
    """(rows, width, places of a window)"""
    side = 2 * RADIUS + 1
    views = np.lib.stride_tricks.sliding_window_view(padded[rows.start : rows.stop + 2 * RADIUS], (side, side))
    return views.reshape(rows.stop - rows.start, width, side * side)


def _mean_between(windows: Floats, weights: Floats, low: float, high: float) -> Floats:
    order = np.argsort(windows, axis=-1, kind="stable")
    windows, weights = np.take_along_axis(windows, order, -1), np.take_along_axis(weights, order, -1)
    ends = weights.cumsum(axis=-1)
    total = ends[..., -1:]
    first, last = low * total, high * total
    narrow = last - first < 1
    middle = (first + last) / 2
    first, last = np.where(narrow, middle - 0.5, first), np.where(narrow, middle + 0.5, last)
    over = narrow & (last > total)
    first, last = np.where(over, total - 1, first), np.where(over, total, last)
    under = narrow & (first < 0)
    first, last = np.where(under, 0, first), np.where(under, 1, last)
    overlap = (np.minimum(ends, last) - np.maximum(ends - weights, first)).clip(min=0)
    mean: Floats = (windows * overlap).sum(axis=-1) / overlap.sum(axis=-1)
    return mean


def _nearness() -> Floats:
    """Gaussian weights of a window's places, lowered so that they are 0 one step outside and 1 in the middle."""
    steps = range(-RADIUS, RADIUS + 1)
    outside = exp(-((RADIUS + 1) ** 2) / DEVIATION**2)
    weights = [max(0.0, (exp(-(x * x + y * y) / DEVIATION**2) - outside) / (1 - outside)) for y in steps for x in steps]
    return np.array(weights, np.float32)
