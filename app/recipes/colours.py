"""Colour correction: a result in the colours of the picture it began with, its own light and dark kept."""

import numpy as np
from PIL import Image

from app.recipes.resize import Pixels

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
"""sRGB to XYZ (Rec. 709 primaries, D65)."""
_WHITE = _XYZ.sum(axis=1)
_LINEAR_BELOW = 0.008856
_WEIGHTS = np.array([0.3, 0.59, 0.11])
"""Of red, green and blue in a colour's luminosity (W3C Compositing and Blending, 10.3)."""


def matched(result: Image.Image, original: Image.Image) -> Image.Image:
    """`result` with its histograms in CIE L*a*b* moved to those of `original`, and then its own luminosity again; both RGB."""
    lab, wanted = to_lab(np.asarray(result)), to_lab(np.asarray(original))
    moved = np.stack([_matched_channel(lab[..., i], wanted[..., i]) for i in range(3)], axis=-1)
    corrected = from_lab(moved).astype(np.float64) / 255
    blended = _with_luminosity(corrected, (np.asarray(result) / 255) @ _WEIGHTS)
    return Image.fromarray((blended * 255).clip(0, 255).astype(np.uint8))


def to_lab(rgb: Pixels) -> Pixels:
    """(height, width, 3) uint8 sRGB to L*a*b* in 8 bits: L times 2.55, a and b plus 128."""
    xyz = _linear(rgb / 255) @ _XYZ.T / _WHITE
    f = np.where(xyz > _LINEAR_BELOW, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([(116 * f[..., 1] - 16) * 2.55, 500 * (f[..., 0] - f[..., 1]) + 128, 200 * (f[..., 1] - f[..., 2]) + 128], axis=-1)
    return _eight_bit(lab)


def from_lab(lab: Pixels) -> Pixels:
    """The inverse of `to_lab`; colours outside sRGB are cut."""
    y = (lab[..., 0] / 2.55 + 16) / 116
    f = np.stack([(lab[..., 1] - 128.0) / 500 + y, y, y - (lab[..., 2] - 128.0) / 200], axis=-1)
    xyz = np.where(f > _LINEAR_BELOW ** (1 / 3), f**3, (f - 16 / 116) / 7.787) * _WHITE
    linear = (xyz @ np.linalg.inv(_XYZ).T).clip(0, 1)
    rgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return _eight_bit(rgb * 255)


def _eight_bit(values: Floats) -> Pixels:
    found: Pixels = np.rint(values).clip(0, 255).astype(np.uint8)
    return found


def _linear(rgb: Floats) -> Floats:
    return np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _matched_channel(values: Pixels, wanted: Pixels) -> Pixels:
    """Histogram matching (Gonzalez & Woods, "Digital Image Processing", 3.3.2), with values between levels cut."""
    shares = np.bincount(values.ravel(), minlength=256).cumsum() / values.size
    counts = np.bincount(wanted.ravel(), minlength=256)
    levels = counts.nonzero()[0]
    table = np.interp(shares, counts[levels].cumsum() / wanted.size, levels)
    return table.astype(np.uint8)[values]


def _with_luminosity(colours: Floats, luminosity: Floats) -> Floats:
    """SetLum and ClipColor of W3C Compositing and Blending, 10.3."""
    moved = colours + (luminosity - colours @ _WEIGHTS)[..., None]
    light = luminosity[..., None]
    low, high = moved.min(axis=-1, keepdims=True), moved.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(low < 0, light + (moved - light) * light / (light - low), moved)
        moved = np.where(high > 1, light + (moved - light) * (1 - light) / (high - light), moved)
    found: Floats = moved
    return found
