"""OFT and BOFT: the weight's outputs rotated in blocks (Qiu et al. 2023; Liu et al. 2023, "butterfly" factors)."""

import torch
from torch import Tensor

from app.networks.adapters.parts import DoesNotFit, Parts

_TINY = 1e-8


def difference(parts: Parts, weight: Tensor) -> Tensor:
    """Rotated minus original weight. `oft_blocks` is (blocks, b, b), or (factors, blocks, b, b) for BOFT."""
    blocks = parts["oft_blocks"]
    if blocks.dim() not in (3, 4) or blocks.shape[-3] * blocks.shape[-1] != weight.shape[0]:
        raise DoesNotFit(f"rotations of {list(blocks.shape)} for {list(weight.shape)}")
    rotations = _cayley(blocks, parts.get("alpha"), weight.shape[0])
    rotated = _turned(rotations, weight) if blocks.dim() == 3 else _butterfly(rotations, weight)
    if (factors := parts.get("rescale")) is not None:
        rotated = rotated * factors.reshape(-1, *[1] * (weight.dim() - 1))
    return rotated - weight


def _cayley(blocks: Tensor, alpha: Tensor | None, outputs: int) -> Tensor:
    """Cayley's transform of the blocks' skew-symmetric parts; these are shortened to alpha times the outputs where alpha says so."""
    skew = blocks - blocks.transpose(-1, -2)
    if alpha is not None and float(alpha) > 0:
        length = skew.norm()
        skew = skew * ((length.clamp(max=float(alpha) * outputs) + _TINY) / (length + _TINY))
    one = torch.eye(blocks.shape[-1], device=blocks.device)
    rotations: Tensor = torch.linalg.solve(one - skew, one + skew, left=False)
    return rotations


def _turned(rotations: Tensor, weight: Tensor) -> Tensor:
    split = weight.reshape(*rotations.shape[:2], -1)
    return torch.einsum("knm,kni->kmi", rotations, split).reshape(weight.shape)


def _butterfly(factors: Tensor, weight: Tensor) -> Tensor:
    """Every factor turns blocks of outputs that lie further and further apart."""
    size = factors.shape[-1]
    rows = weight.flatten(1)
    for level, rotations in enumerate(factors):
        stride = 2**level * size // 2
        if weight.shape[0] % (2 * stride):
            raise DoesNotFit(f"factor {level} of a butterfly for {list(weight.shape)}")
        apart = rows.reshape(-1, 2, stride, rows.shape[1]).transpose(1, 2).reshape(-1, size, rows.shape[1])
        turned = (rotations @ apart).reshape(-1, stride, 2, rows.shape[1])
        rows = turned.transpose(1, 2).reshape(rows.shape)
    return rows.reshape(weight.shape)
