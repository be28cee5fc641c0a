"""The denoiser's forward over diffusers' blocks, with CompVis' answer to sizes that do not halve evenly."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from app.models.facts import NUMBER_WIDTH


def predict(unet: Any, x: Tensor, timesteps: Tensor, context: Tensor, vector: Tensor | None = None) -> Tensor:
    """The raw answer of a UNet2DConditionModel: (rows, in, h, w), (rows,), (rows, tokens, width) to (rows, out, h, w), in `x`'s dtype.

    `vector` (rows, width) is for those that are told more than the time.

    Where a level's side is odd, going down rounds it up, and coming back doubles it to one too many. The picture is then
    doubled and convolved first and meets the skip connection's size by nearest interpolation, as A1111 does it.
    diffusers' own forward resizes to the skip's size before the convolution, which gives other pictures.
    """
    embedding = unet.time_embedding(unet.time_proj(timesteps).to(x.dtype))  # the sinusoids are float32: steps near 1000 need it
    if vector is not None:
        embedding = embedding + unet.class_embedding(vector)
    hidden = unet.conv_in(x)
    skips = [hidden]
    for block in unet.down_blocks:
        hidden, made = block(hidden, embedding, **_attending(block, context))
        skips.extend(made)
    hidden = unet.mid_block(hidden, embedding, **_attending(unet.mid_block, context))
    for block in unet.up_blocks:
        taken = tuple(skips[-len(block.resnets) :])
        del skips[-len(block.resnets) :]
        if hidden.shape[-2:] != taken[-1].shape[-2:]:
            hidden = F.interpolate(hidden, size=taken[-1].shape[-2:], mode="nearest")
        hidden = block(hidden, res_hidden_states_tuple=taken, temb=embedding, **_attending(block, context))
    answer: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
    return answer


def told(vector: Tensor, numbers: int) -> Tensor:
    """(rows, pooled width + numbers) to what the denoiser takes: in the place of each number its sines and cosines, as of a time."""
    if not numbers:
        return vector
    pooled, values = vector[:, :-numbers], vector[:, -numbers:]
    waves = get_timestep_embedding(values.flatten(), NUMBER_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0)
    return torch.cat([pooled, waves.view(len(vector), -1)], dim=1)


def _attending(block: Any, context: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
