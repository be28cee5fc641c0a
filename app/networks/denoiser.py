"""The denoiser's forward over diffusers' blocks, with CompVis' answer to sizes that do not halve evenly."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor


def predict(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
    """The raw answer of a UNet2DConditionModel: (rows, in, h, w), (rows,), (rows, tokens, width) to (rows, out, h, w), in `x`'s dtype.

    Where a level's side is odd, going down rounds it up, and coming back doubles it to one too many. The picture is then
    doubled and convolved first and meets the skip connection's size by nearest interpolation, as A1111 does it.
    diffusers' own forward resizes to the skip's size before the convolution, which gives other pictures.
    """
    embedding = unet.time_embedding(unet.time_proj(timesteps).to(x.dtype))  # the sinusoids are float32: steps near 1000 need it
    hidden = unet.conv_in(x)
    skips = [hidden]
    for block in unet.down_blocks:
        hidden, made = block(hidden, embedding, **_attending(block, context))
        skips.extend(made)
    hidden = unet.mid_block(hidden, embedding, encoder_hidden_states=context)
    for block in unet.up_blocks:
        taken = tuple(skips[-len(block.resnets) :])
        del skips[-len(block.resnets) :]
        if hidden.shape[-2:] != taken[-1].shape[-2:]:
            hidden = F.interpolate(hidden, size=taken[-1].shape[-2:], mode="nearest")
        hidden = block(hidden, res_hidden_states_tuple=taken, temb=embedding, **_attending(block, context))
    answer: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
    return answer


def _attending(block: Any, context: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
