"""(IA)^3: learned factors for a layer's outputs or inputs (Liu et al. 2022, "Few-shot parameter-efficient fine-tuning")."""

from torch import Tensor

from app.networks.adapters.parts import DoesNotFit, Parts


def difference(parts: Parts, weight: Tensor) -> Tensor:
    """The weight times the factors, along its inputs where the file says `on_input`, else along its outputs."""
    factors, side = parts["weight"].flatten(), 1 if "on_input" in parts and bool(parts["on_input"]) else 0
    if len(factors) != weight.shape[side]:
        raise DoesNotFit(f"{len(factors)} factors for {list(weight.shape)}")
    return weight * factors.reshape([-1 if i == side else 1 for i in range(weight.dim())])
