"""LoRA (Hu et al. 2021, "LoRA: Low-rank adaptation of large language models"), and LoCon: the same for convolutions."""

from torch import Tensor

from app.networks.adapters.parts import Parts, contracted, product, scale, shaped


def difference(parts: Parts, weight: Tensor, rank: int | None) -> Tensor:
    """alpha / r * up @ down; with a core `lora_mid` between them (Tucker's form, of convolutions). `rank`: only so many of the r ranks."""
    up, down, core = parts["lora_up"], parts["lora_down"], parts.get("lora_mid")
    whole = down.shape[0]
    if core is not None:
        made = contracted("nm...,in,mj->ij...", core, up.flatten(1), down.flatten(1))
    else:
        kept = whole if rank is None else rank
        made = product(up[:, :kept], down[:kept])
    return shaped(made, weight) * scale(parts, whole)
