"""GLoRA: a low-rank change that also depends on the weight itself (Chavan et al. 2023, "One-for-all: generalized LoRA")."""

from torch import Tensor

from app.networks.adapters.parts import Parts, product, shaped


def difference(parts: Parts, weight: Tensor) -> Tensor:
    """W @ a2 @ a1 + b2 @ b1, without a scale by rank, as A1111 has it."""
    of_weight = product(product(weight, parts["a2"]), parts["a1"])
    return shaped(of_weight + product(parts["b2"], parts["b1"]), weight)
