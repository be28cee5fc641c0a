"""What the files of this folder have in common: a layer's tensors in an adapter, and what they change in a weight."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]
"""An adapter's tensors for one layer by their part names (`lora_up`, `hada_w1_a`, `alpha` ...)."""


class Change(NamedTuple):
    """What an adapter adds to a layer at strength 1; None: nothing."""

    weight: Tensor | None = None
    bias: Tensor | None = None


class DoesNotFit(Exception):
    """An adapter's tensors for a layer do not fit the layer's weight."""


def shaped(difference: Tensor, weight: Tensor) -> Tensor:
    """The difference in the weight's shape; DoesNotFit if it has another number of elements, or other rows."""
    if difference.numel() != weight.numel() or difference.shape[0] != weight.shape[0]:
        raise DoesNotFit(f"{list(difference.shape)} instead of {list(weight.shape)}")
    return difference.reshape(weight.shape)


def scale(parts: Parts, rank: int | None) -> float:
    """alpha / rank (Hu et al. 2021); 1 where the file states no alpha, or nothing is factorised."""
    alpha = parts.get("alpha")
    return 1.0 if alpha is None or not rank else float(alpha) / rank


def product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right with everything but the first side of each folded into one; DoesNotFit if the inner sides differ."""
    left, right = left.flatten(1), right.flatten(1)
    if left.shape[1] != right.shape[0]:
        raise DoesNotFit(f"factors of {list(left.shape)} and {list(right.shape)}")
    return left @ right


def contracted(equation: str, *factors: Tensor) -> Tensor:
    """`torch.einsum`; DoesNotFit if the sides do not meet."""
    try:
        return torch.einsum(equation, *factors)
    except RuntimeError as error:
        raise DoesNotFit(str(error).splitlines()[0]) from error
