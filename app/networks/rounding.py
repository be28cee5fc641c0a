"""Memory layouts and orders of operations by which diffusers' modules round as A1111's do.

Both compute the same, but a convolution over a map that lies channels last takes another path than over one that lies channels first,
and its sums round otherwise. Some networks (v-prediction with zero terminal SNR above all) make a visible difference of a last place.
With these, A1111's recorded calls are met bit by bit in float32 on a CPU of the same kind (`tests/unit/networks/test_network_traces.py`).
"""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

SMALL = 16_000_000
"""Numbers in a denoiser up to which its maps are laid as A1111's. A CPU lays out a convolution's weights anew in every call where its map
lies channels last: SD1's whole denoiser takes a sixth to a third longer then. Only in small networks a last place is to be seen: groups
of their norms hold so few numbers that rounding can turn a sign."""
SCORES_BYTES = 64 * 2**20
"""The most that one picture's attention scores in the autoencoder may take, in the way that writes them out: up to 512x512 pixels."""


def round_as_a1111(denoiser: nn.Module, *, told_more: bool) -> None:
    """Lets the transformers of a UNet2DConditionModel lay their maps as A1111's do, the channels last ones of `SMALL` networks only.

    `told_more`: the kind that is told more than the time (SDXL), whose code copies the answers back to channels first.
    """
    small = sum(weight.numel() for weight in denoiser.parameters()) <= SMALL
    for part in denoiser.modules():
        if not isinstance(part, Transformer2DModel):
            continue
        if part.use_linear_projection:
            part.proj_in.register_forward_pre_hook(_contiguous)
            if small and not told_more:
                part.register_forward_hook(_channels_last_answer)
        elif small:
            part.proj_out.register_forward_pre_hook(_channels_last)


def _contiguous(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A linear layer rounds otherwise where its input is a transposed view, as diffusers hands it."""
    return (arguments[0].contiguous(), *arguments[1:])


def _channels_last(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tokens become a map again without being moved, so their channels lie last; diffusers moves them."""
    return (arguments[0].contiguous(memory_format=torch.channels_last), *arguments[1:])


def _channels_last_answer(_: nn.Module, __: tuple[Any, ...], answer: tuple[Tensor]) -> tuple[Tensor]:
    return (answer[0].contiguous(memory_format=torch.channels_last),)


class ByColumns(nn.Linear):
    """A linear layer without bias whose matrix OpenCLIP keeps the other way round: a product with a transposed one rounds otherwise."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return input @ self.weight.t().contiguous()


class PictureAttention:
    """The autoencoder's attention over one picture's places, for diffusers' `set_attn_processor`: one head, no context.

    torch's attention writes the scores out where it is given (rows, places, channels), and takes them in blocks where there is an axis
    of heads. A1111 gives it the former; on a card, and for pictures whose scores would be large, the latter is taken.
    """

    def __call__(
        self,
        attention: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        temb: None = None,
    ) -> Tensor:
        """(n, channels, h, w) to the same, its own input added. An autoencoder has nothing to say by the other three."""
        n, channels, height, width = hidden_states.shape
        places = attention.group_norm(hidden_states).flatten(2).transpose(1, 2)
        q, k, v = attention.to_q(places), attention.to_k(places), attention.to_v(places)
        if q.device.type == "cpu" and (height * width) ** 2 * q.element_size() <= SCORES_BYTES:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        answer: Tensor = attention.to_out[0](mixed).transpose(1, 2).reshape(n, channels, height, width)
        return hidden_states + answer
