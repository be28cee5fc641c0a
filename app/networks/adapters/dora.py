"""DoRA: a change of direction by LoRA (or any other kind), the length learned apart (Liu et al. 2024)."""

from torch import Tensor

from app.networks.adapters.parts import DoesNotFit, Parts


def difference(parts: Parts, weight: Tensor, change: Tensor) -> Tensor:
    """What takes `weight` to its changed direction at the lengths of `dora_scale`.

    Lengths are those of the input columns for a scale of shape (1, inputs ...), as LyCORIS writes it, and of the output rows for
    one of shape (outputs, 1 ...).
    """
    lengths, changed = parts["dora_scale"], weight + change
    by_output = lengths.shape[0] == weight.shape[0] and lengths.numel() == weight.shape[0] and lengths.dim() > 1
    side = 0 if by_output else 1
    if lengths.numel() != weight.shape[side]:
        raise DoesNotFit(f"lengths of {list(lengths.shape)} for {list(weight.shape)}")
    found = changed.transpose(0, side).flatten(1).norm(dim=1)
    difference: Tensor = changed * (lengths.flatten() / found).reshape([-1 if i == side else 1 for i in range(weight.dim())]) - weight
    return difference
