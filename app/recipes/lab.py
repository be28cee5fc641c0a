"""sRGB to CIE L*a*b* and back on 8-bit pixels, in OpenCV's whole-number arithmetic, which A1111's colour correction runs on."""

from functools import cache
from typing import NamedTuple

import numpy as np

from app.recipes.resize import Pixels

Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_FROM_XYZ = np.array([[3.240479, -1.53715, -0.498535], [-0.969256, 1.875991, 0.041556], [0.055648, -0.204043, 1.057311]])
_WHITE = np.array([0.950456, 1.0, 1.088754])
"""D65."""
_SHIFT, _GAMMA_SHIFT, _BASE_SHIFT, _INVERSE_SHIFT = 12, 3, 14, 12
"""Binary places of coefficients, of linear light, of the way back, of the table back to sRGB."""
_ROOT_SHIFT = _SHIFT + _GAMMA_SHIFT
_BASE = 1 << _BASE_SHIFT
_DARK_L, _DARK_F = 20, 3390
"""Below these the cube root is a straight line: of L in 8 bits, of f in `_BASE`."""


class _Tables(NamedTuple):
    linear: Integers
    """8-bit sRGB to linear light."""
    root: Integers
    """Linear light to CIE's f."""
    srgb: Integers
    """Linear light to 8-bit sRGB."""
    y: Integers
    """8-bit L to Y."""
    f: Integers
    """8-bit L to f(Y)."""


@cache
def _tables() -> _Tables:
    eight = np.arange(256) / 255
    linear = np.where(eight <= 0.04045, eight / 12.92, ((eight + 0.055) / 1.055) ** 2.4)
    light = np.arange(256 * 3 // 2 << _GAMMA_SHIFT) / (255 << _GAMMA_SHIFT)
    root = np.where(light < 0.008856, light * (841 / 108) + 16 / 116, np.cbrt(light))
    steps = np.arange(1 << _INVERSE_SHIFT) / (1 << _INVERSE_SHIFT)
    srgb = np.where(steps <= 0.0031308, steps * 12.92, 1.055 * steps ** (1 / 2.4) - 0.055)
    level = np.arange(256)
    f = (level * 100 / 255 + 16) * _BASE / 116
    dark = level <= _DARK_L
    return _Tables(
        linear=_whole(linear * (255 << _GAMMA_SHIFT)),
        root=_whole(root.astype(np.float32).astype(np.float64) * (1 << _ROOT_SHIFT)),  # single precision brings two of them to a half
        srgb=_whole(srgb * 255),
        y=_whole(np.where(dark, level * _BASE * 180 / (17 * 29**3), f**3 / _BASE**2)),
        f=_whole(np.where(dark, _BASE * 16 / 116 + level * _BASE * 5 / (3 * 17 * 29), f)),
    )


def to_lab(rgb: Pixels) -> Pixels:
    """(height, width, 3) uint8 sRGB to L*a*b* in 8 bits: L times 2.55, a and b plus 128."""
    tables = _tables()
    light = tables.linear[rgb]
    weights = _whole(_TO_XYZ / _WHITE[:, None] * (1 << _SHIFT))
    x, y, z = (tables.root[_shifted(light @ weights[row], _SHIFT)] for row in range(3))
    unit = 1 << _ROOT_SHIFT
    lightness = (116 * 255 + 50) // 100 * y - (16 * 255 * unit + 50) // 100
    lab = np.stack([lightness, 500 * (x - y) + 128 * unit, 200 * (y - z) + 128 * unit], axis=-1)
    return _eight_bit(_shifted(lab, _ROOT_SHIFT))


def from_lab(lab: Pixels) -> Pixels:
    """The inverse of `to_lab`; colours outside sRGB are cut."""
    tables = _tables()
    lightness, a, b = (lab[..., channel].astype(np.int64) for channel in range(3))
    f = tables.f[lightness]
    x = _cubed(f + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * _BASE // 500)
    z = _cubed(f - ((b * 41943 + (1 << 4)) >> 9) + 128 * _BASE // 200 - 1)
    weights = _whole(_FROM_XYZ * _WHITE * (1 << _SHIFT))
    light = _shifted(np.stack([x, tables.y[lightness], z], axis=-1) @ weights.T, _SHIFT + _BASE_SHIFT - _INVERSE_SHIFT)
    return _eight_bit(tables.srgb[light.clip(0, (1 << _INVERSE_SHIFT) - 1)])


def _cubed(f: Integers) -> Integers:
    """The inverse of CIE's f; both in `_BASE`."""
    line = np.trunc(f * 108 / 841).astype(np.int64) - _BASE * 16 // 116 * 108 // 841
    cube: Integers = np.where(f <= _DARK_F, line, f * f // _BASE * f // _BASE)
    return cube


def _shifted(values: Integers, places: int) -> Integers:
    return (values + (1 << (places - 1))) >> places


def _whole(values: Floats) -> Integers:
    return np.rint(values).astype(np.int64)


def _eight_bit(values: Integers) -> Pixels:
    return values.clip(0, 255).astype(np.uint8)
