"""LoKr: the Kronecker product of a small matrix and a larger, mostly factorised one (LyCORIS, Yeh et al. 2023)."""

import torch
from torch import Tensor

from app.networks.adapters.parts import DoesNotFit, Parts, contracted, product, scale, shaped


def difference(parts: Parts, weight: Tensor) -> Tensor:
    """alpha / r * kron(w1, w2); r is the rank of the factorised one of the two, the second's where both are."""
    ranks = [parts[name].shape[0] for name in ("lokr_w2_b", "lokr_w1_b") if name in parts]
    first, second = _factor(parts, "1"), _factor(parts, "2").contiguous()  # einsum's answer is not, and torch.kron wants it
    first = first.reshape(*first.shape, *[1] * (second.dim() - first.dim()))
    return shaped(torch.kron(first, second), weight) * scale(parts, ranks[0] if ranks else None)


def _factor(parts: Parts, number: str) -> Tensor:
    if not {f"lokr_w{number}", f"lokr_w{number}_a"} & parts.keys():
        raise DoesNotFit(f"no factor {number}")
    if (whole := parts.get(f"lokr_w{number}")) is not None:
        return whole
    left, right, core = parts[f"lokr_w{number}_a"], parts[f"lokr_w{number}_b"], parts.get(f"lokr_t{number}")
    return product(left, right) if core is None else contracted("ij...,jr,ip->pr...", core, right, left)
