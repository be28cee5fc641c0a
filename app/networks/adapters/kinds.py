"""Which kind of adapter a layer's tensors are, and what they change."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from app.networks.adapters import dora, glora, ia3, loha, lokr, lora, oft
from app.networks.adapters.parts import Change, DoesNotFit, Parts, shaped

IN_FILE_FORMAT = ("hada_w1_a", "lokr_w1", "lokr_w1_a", "a1", "diff", "w_norm")
"""Parts of the kinds (LoHa, LoKr, GLoRA, full differences) that A1111 computes in the number format of the file, sum included.
In half precision that is a visible difference in some pictures. The other kinds are computed in float32."""
_FORMATS = (torch.float16, torch.bfloat16, torch.float32)
_DIFFERENCES: Mapping[str, Callable[[Parts, Tensor], Tensor]] = {
    "hada_w1_a": loha.difference, "lokr_w1": lokr.difference, "lokr_w1_a": lokr.difference, "oft_blocks": oft.difference,
    "a1": glora.difference, "weight": ia3.difference,
}  # fmt: skip
"""By a part that only one kind has."""


def change_of(parts: Parts, weight: Tensor, bias: Tensor | None, rank: int | None = None) -> Change:
    """What an adapter adds to a layer at strength 1, in the number format it is to be added in; DoesNotFit where shapes differ.

    `weight` and `bias` are float32. `rank` limits a LoRA to its first ranks.
    """
    stored = next((parts[name].dtype for name in IN_FILE_FORMAT if name in parts), torch.float32)
    dtype = stored if stored in _FORMATS else torch.float32
    parts = {name: tensor.to(dtype) for name, tensor in parts.items()}
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    made = _weight_change(parts, weight, rank)
    if made is not None and "dora_scale" in parts:
        made = dora.difference(parts, weight, made)
    added = parts.get("diff_b", parts.get("b_norm"))
    if added is not None and bias is None:
        raise DoesNotFit("a bias for a layer without one")
    return Change(made, None if added is None or bias is None else shaped(added, bias))


def _weight_change(parts: Parts, weight: Tensor, rank: int | None) -> Tensor | None:
    if "lora_up" in parts and "lora_down" in parts:
        return lora.difference(parts, weight, rank)
    for part, difference in _DIFFERENCES.items():
        if part in parts:
            return difference(parts, weight)
    for part in ("diff", "w_norm"):
        if part in parts:
            return shaped(parts[part], weight)
    return None
