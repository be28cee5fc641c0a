"""The autoencoder's blocks on big pictures, in bands of rows: the same sums in a fraction of the memory (CPU, float32).

At full width the autoencoder holds its largest map several times over: the map, its norm, the activation, and the copy in
another memory layout that CPU convolutions make. A convolution needs only a band of rows and one row more on either side, so
all but the map itself can be a band high. Norms are over the whole picture: their statistics are taken first.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BAND_BYTES = 16 * 2**20
"""About what a band may take; smaller maps are left to diffusers' own forwards."""

Rows = Callable[[int, int], Tensor]
"""Gives the rows from a first to an end, (n, channels, end - first, width), made at that moment."""


def in_bands(x: Tensor) -> bool:
    """Whether a map is worth it: on a GPU convolutions copy nothing, and many small kernels cost time."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.nbytes > BAND_BYTES


def residual(block: Any, x: Tensor) -> Tensor:
    """diffusers' ResnetBlock2D without a time embedding."""
    if not in_bands(x):
        answer: Tensor = block(x, temb=None)
        return answer
    inner = normed_convolution(block.norm1, block.conv1, x)
    total = x.clone() if block.conv_shortcut is None else _convolution(block.conv_shortcut, _plain(x), x.shape)
    return _convolution(block.conv2, _normed(block.norm2, inner), inner.shape, onto=total)


def upsampled_convolution(upsampler: Any, x: Tensor) -> Tensor:
    """diffusers' Upsample2D: twice the size by nearest neighbours, then its convolution."""
    if not in_bands(x):
        answer: Tensor = upsampler(x)
        return answer

    def doubled(first: int, end: int) -> Tensor:
        whole = F.interpolate(x[:, :, first // 2 : (end + 1) // 2], scale_factor=2.0, mode="nearest")
        return whole[:, :, first % 2 : first % 2 + end - first]

    n, channels, height, width = x.shape
    return _convolution(upsampler.conv, doubled, torch.Size((n, channels, 2 * height, 2 * width)))


def normed_convolution(norm: torch.nn.GroupNorm, convolution: torch.nn.Conv2d, x: Tensor) -> Tensor:
    """Group norm, SiLU, 3x3 convolution."""
    if not in_bands(x):
        answer: Tensor = convolution(F.silu(norm(x)))
        return answer
    return _convolution(convolution, _normed(norm, x.contiguous()), x.shape)  # attention leaves its map transposed


def _plain(x: Tensor) -> Rows:
    return lambda first, end: x[:, :, first:end]


def _normed(norm: torch.nn.GroupNorm, x: Tensor) -> Rows:
    n, channels = x.shape[:2]
    variance, mean = torch.var_mean(x.view(n, norm.num_groups, -1), dim=2, correction=0)
    per_channel = channels // norm.num_groups
    scale = (variance + norm.eps).rsqrt().repeat_interleave(per_channel, dim=1) * norm.weight
    shift = norm.bias - mean.repeat_interleave(per_channel, dim=1) * scale
    scale, shift = scale[:, :, None, None], shift[:, :, None, None]
    return lambda first, end: F.silu(torch.addcmul(shift, x[:, :, first:end], scale), inplace=True)


def _convolution(convolution: torch.nn.Conv2d, rows: Rows, shape: torch.Size, onto: Tensor | None = None) -> Tensor:
    """A size-keeping convolution over a map of `shape` that `rows` makes, with its own padding; added to `onto` where that is given."""
    n, channels, height, width = shape
    total = torch.zeros(n, convolution.out_channels, height, width) if onto is None else onto
    border = convolution.kernel_size[0] // 2
    circular = convolution.padding_mode == "circular" and border > 0
    step = max(1, BAND_BYTES // (4 * n * channels * width))
    for first in range(0, height, step):
        end = min(first + step, height)
        above, below = max(first - border, 0), min(end + border, height)
        band = rows(above, below)
        if circular:
            over, under = border - (first - above), border - (below - end)
            band = torch.cat([rows(height - over, height), band], dim=2) if over else band
            band = torch.cat([band, rows(0, under)], dim=2) if under else band
            band = F.pad(band, (border, border, 0, 0), mode="circular")
        else:
            band = F.pad(band, (border, border, border - (first - above), border - (below - end)))
        total[:, :, first:end] += F.conv2d(band, convolution.weight, convolution.bias)
    return total
