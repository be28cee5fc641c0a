"""Small changes of an initial noise: towards another seed's (variations), or from that of another picture size."""

import torch
from torch import Tensor

_ALMOST_PARALLEL = 0.9995


def slerp(low: Tensor, high: Tensor, share: float) -> Tensor:
    """Spherical interpolation of two (channels, height, width) noises, apart for every column of every channel.

    That is what A1111's pictures show: the norms run over the height. Where the two are almost parallel on the whole it is linear
    there, with the roles exchanged (`share` belongs to `low`); that defect is kept, because seeds are shared with it.
    """
    low_unit = low / torch.linalg.vector_norm(low, dim=1, keepdim=True)
    high_unit = high / torch.linalg.vector_norm(high, dim=1, keepdim=True)
    cosine = (low_unit * high_unit).sum(1, keepdim=True)
    if float(cosine.mean()) > _ALMOST_PARALLEL:  # on the CPU, where noise is drawn: nothing waits for a device
        return low * share + high * (1 - share)
    angle = cosine.acos()
    return torch.sin((1 - share) * angle) / torch.sin(angle) * low + torch.sin(share * angle) / torch.sin(angle) * high


def pasted(small: Tensor, ground: Tensor) -> Tensor:
    """`small` (channels, h, w) laid centred over `ground` (channels, height, width); what sticks out is cut off."""
    result = ground.clone()
    rows, source_rows = _overlap(small.shape[1], ground.shape[1])
    columns, source_columns = _overlap(small.shape[2], ground.shape[2])
    result[:, rows, columns] = small[:, source_rows, source_columns]
    return result


def _overlap(small: int, ground: int) -> tuple[slice, slice]:
    """Where on the ground, and which part of the small one. An odd excess is cut to an even one's width: a line of ground stays."""
    offset = (ground - small) // 2
    length = small if offset >= 0 else small + 2 * offset
    return slice(max(0, offset), max(0, offset) + length), slice(max(0, -offset), max(0, -offset) + length)
