"""Empty networks: diffusers' and transformers' modules of a checkpoint's sizes, on the meta device (no memory, no random numbers)."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.networks.rounding import ByColumns, PictureAttention, round_as_a1111

END_TOKEN = 49407
"""Of CLIP's vocabulary; the pooled vector is taken where it first stands."""
TEXT_PARTS = ("text", "text_2", "text_3")
"""What the text encoders are called among a checkpoint's networks, and by adapters."""


@dataclass(eq=False)
class Networks:
    """The networks of a latent diffusion checkpoint."""

    denoiser: Any
    """diffusers' UNet2DConditionModel; run by `app.networks.denoiser`, not by its own forward."""
    autoencoder: Any
    """diffusers' AutoencoderKL; None where the checkpoint's file has none."""
    texts: tuple[Any, ...]
    """transformers' CLIPTextModel, or CLIPTextModelWithProjection where a pooled vector is wanted."""

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules by name."""
        every = {"denoiser": self.denoiser, "autoencoder": self.autoencoder, **dict(zip(TEXT_PARTS, self.texts, strict=False))}
        return {name: module for name, module in every.items() if module is not None}


def build_networks(facts: CheckpointFacts) -> Networks:
    """All networks without weights, in evaluation mode, wanting no gradients."""
    with torch.device("meta"):
        networks = Networks(
            denoiser=_denoiser(facts.denoiser, facts.norm_groups),
            autoencoder=None if facts.vae_to_get else _autoencoder(facts.autoencoder, facts.norm_groups),
            texts=tuple(_text(sizes) for sizes in facts.texts),
        )
    for module in networks.parts.values():
        module.eval().requires_grad_(False)
    return networks


def build_autoencoder(sizes: AutoencoderSizes, norm_groups: int) -> Any:
    """An AutoencoderKL without weights, in evaluation mode, wanting no gradients."""
    with torch.device("meta"):
        module = _autoencoder(sizes, norm_groups)
    return module.eval().requires_grad_(False)


def _denoiser(sizes: DenoiserSizes, groups: int) -> Any:
    levels = sizes.attention_levels
    made = UNet2DConditionModel(
        in_channels=sizes.in_channels,
        out_channels=sizes.out_channels,
        block_out_channels=[sizes.model_channels * m for m in sizes.channel_mult],
        layers_per_block=sizes.res_blocks,
        down_block_types=["CrossAttnDownBlock2D" if attention else "DownBlock2D" for attention in levels],
        up_block_types=["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(levels)],
        transformer_layers_per_block=_depths(sizes),
        reverse_transformer_layers_per_block=[list(depths) if any(depths) else 1 for depths in reversed(sizes.up_depths)],
        mid_block_type="UNetMidBlock2D" if sizes.middle_depth is None else "UNetMidBlock2DCrossAttn",
        cross_attention_dim=sizes.context_width,
        attention_head_dim=sizes.heads,  # so named, but it is the number of heads: the class keeps an old mistake for its configs' sake
        class_embed_type="projection" if sizes.vector_width else None,
        projection_class_embeddings_input_dim=sizes.vector_width or None,
        use_linear_projection=sizes.linear_projection,
        norm_num_groups=groups,
    )
    round_as_a1111(made, told_more=bool(sizes.vector_width))
    return made


def _depths(sizes: DenoiserSizes) -> list[list[int] | int]:
    """By level of the way down. The class takes the middle's from the coarsest one, which has no transformers or those of the middle."""
    depths: list[list[int] | int] = [list(level) if any(level) else 1 for level in sizes.depths]
    if not sizes.attention_levels[-1]:
        depths[-1] = sizes.middle_depth or 1
    return depths


def _autoencoder(sizes: AutoencoderSizes, groups: int) -> Any:
    levels = len(sizes.channel_mult)
    made = AutoencoderKL(
        latent_channels=sizes.latent_channels,
        block_out_channels=[sizes.channels * m for m in sizes.channel_mult],
        layers_per_block=sizes.res_blocks,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        norm_num_groups=groups,
    )
    made.set_attn_processor(PictureAttention())
    return made


def _text(sizes: TextSizes) -> Any:
    config = CLIPTextConfig(
        vocab_size=sizes.vocabulary,
        max_position_embeddings=sizes.positions,
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp_width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        hidden_act=sizes.activation,
        projection_dim=sizes.projected_width or sizes.width,
        eos_token_id=END_TOKEN,
        # A1111 runs CLIP's encoder by an old transformers, which writes the scores out, and OpenCLIP's by torch's attention.
        attn_implementation="sdpa" if sizes.zero_padded else "eager",
    )
    module: Any = CLIPTextModel(config) if sizes.projected_width is None else CLIPTextModelWithProjection(config)
    if sizes.projected_width is not None:
        module.text_projection = ByColumns(sizes.width, sizes.projected_width, bias=False)
    # No file has to hold this buffer, so it needs its content here; made above, on the meta device, it had none.
    clip_of(module).embeddings.position_ids = torch.arange(sizes.positions, device="cpu")[None]
    return module


def clip_of(module: Any) -> Any:
    """The CLIPTextModel itself, without what projects its pooled output."""
    return getattr(module, "text_model", module)
