"""Noise that looks like a picture's surroundings, to draw on beyond its edge.

The method is that of parlance-zz's g-diffuser (2022): coloured noise is given the spectrum of the known part of the picture, and then its
histogram.
"""

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Complex = np.ndarray[tuple[int, ...], np.dtype[np.complex128]]

UNKNOWN_FROM = 1e-6
"""Mask values above count as unknown."""
KNOWN_BELOW = 1e-3
"""Mask values below count as known."""


def matched_noise(picture: Floats, mask: Floats, exponent: float, colour_variation: float) -> Floats:
    """`picture` (height, width, 3) in 0..1 with noise where `mask` (same shape, 0..1) is white.

    `exponent` shapes the spectrum (lower: more fine detail); `colour_variation` 0 gives grey noise, 1 independent colours. The same
    arguments give the same noise.
    """
    grey_mask = mask.mean(axis=2)
    unknown, known = grey_mask > UNKNOWN_FROM, grey_mask < KNOWN_BELOW
    windowed = picture * (1 - grey_mask[..., None])
    windowed = windowed / max(windowed.max(), np.finfo(float).tiny) + picture.mean() * mask
    spectrum = _transformed(windowed)
    size = np.abs(spectrum)
    noise = np.random.default_rng(0).random(picture.shape)
    noise = noise * colour_variation + (1 - colour_variation) * noise.mean(axis=2, keepdims=True)
    noise = np.real(_back(_transformed(noise) * _window(*picture.shape[:2])[..., None]))
    with np.errstate(divide="ignore", invalid="ignore"):
        phase = np.nan_to_num(spectrum / size)
    shaped = np.real(_back(np.abs(_transformed(noise)) ** 2 * size**exponent * phase))
    shaped -= shaped.min()
    shaped /= max(shaped.max(), np.finfo(float).tiny)
    if known.any() and unknown.any():
        shaped[unknown] = _with_histogram(shaped[unknown], picture[known])
    mixed: Floats = (picture * (1 - mask) + shaped * mask).clip(0, 1)
    return mixed


def _transformed(picture: Floats) -> Complex:
    """The spectrum of each channel, its zero frequency in the middle."""
    shifted = np.fft.fftshift(picture, axes=(0, 1))
    spectrum: Complex = np.fft.ifftshift(np.fft.fft2(shifted, axes=(0, 1), norm="ortho"), axes=(0, 1))
    return spectrum


def _back(spectrum: Complex) -> Complex:
    shifted = np.fft.ifft2(np.fft.fftshift(spectrum, axes=(0, 1)), axes=(0, 1), norm="ortho")
    picture: Complex = np.fft.ifftshift(shifted, axes=(0, 1))
    return picture


def _window(height: int, width: int) -> Floats:
    """(height, width): 1 in the middle, falling with the distance along each axis as a Lorentzian does."""
    short = min(height, width)
    y, x = ((np.arange(side) / side * 2 - 1) * (side / short) for side in (height, width))
    return 1 / ((y[:, None] ** 2 + 1) * (x[None, :] ** 2 + 1))


def _with_histogram(values: Floats, wanted: Floats) -> Floats:
    """(n, 3) with each channel's histogram moved to that of `wanted` (m, 3) (Gonzalez & Woods, "Digital Image Processing", 3.3.2)."""
    moved = np.empty_like(values)
    for channel in range(values.shape[1]):
        _, places, counts = np.unique(values[:, channel], return_inverse=True, return_counts=True)
        levels, wanted_counts = np.unique(wanted[:, channel], return_counts=True)
        shares = counts.cumsum() / len(values)
        moved[:, channel] = np.interp(shares, wanted_counts.cumsum() / len(wanted), levels)[places]
    return moved
