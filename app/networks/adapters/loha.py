"""LoHa: the Hadamard product of two low-rank matrices (Hyeon-Woo et al. 2021, "FedPara"; LyCORIS, Yeh et al. 2023)."""

from torch import Tensor

from app.networks.adapters.parts import DoesNotFit, Parts, contracted, product, scale, shaped


def difference(parts: Parts, weight: Tensor) -> Tensor:
    """alpha / r * (a1 @ b1) * (a2 @ b2), each with a core between its factors where the file has one."""
    first, second = _factor(parts, "1"), _factor(parts, "2")
    if first.shape != second.shape:
        raise DoesNotFit(f"{list(first.shape)} times {list(second.shape)}")
    return shaped(first * second, weight) * scale(parts, parts["hada_w1_b"].shape[0])


def _factor(parts: Parts, number: str) -> Tensor:
    left, right, core = parts[f"hada_w{number}_a"], parts[f"hada_w{number}_b"], parts.get(f"hada_t{number}")
    return product(left, right) if core is None else contracted("ij...,jr,ip->pr...", core, right, left)
