"""Empty networks: diffusers' and transformers' modules of a checkpoint's sizes, on the meta device (no memory, no random numbers)."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes


@dataclass(eq=False)
class Networks:
    """The three networks of a latent diffusion checkpoint."""

    denoiser: Any
    """diffusers' UNet2DConditionModel; run by `app.networks.denoiser`, not by its own forward."""
    autoencoder: Any
    """diffusers' AutoencoderKL."""
    text: Any
    """transformers' CLIPTextModel."""

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules by name."""
        return {"denoiser": self.denoiser, "autoencoder": self.autoencoder, "text": self.text}


def build_networks(facts: CheckpointFacts) -> Networks:
    """All three networks without weights, in evaluation mode, wanting no gradients."""
    with torch.device("meta"):
        networks = Networks(
            denoiser=_denoiser(facts.denoiser, facts.norm_groups),
            autoencoder=_autoencoder(facts.autoencoder, facts.norm_groups),
            text=_text(facts.text),
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
    return UNet2DConditionModel(
        in_channels=sizes.in_channels,
        out_channels=sizes.out_channels,
        block_out_channels=[sizes.model_channels * m for m in sizes.channel_mult],
        layers_per_block=sizes.res_blocks,
        down_block_types=["CrossAttnDownBlock2D" if attention else "DownBlock2D" for attention in levels],
        up_block_types=["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(levels)],
        transformer_layers_per_block=sizes.transformer_depth,
        cross_attention_dim=sizes.context_width,
        attention_head_dim=sizes.heads,  # so named, but it is the number of heads: the class keeps an old mistake for its configs' sake
        use_linear_projection=sizes.linear_projection,
        norm_num_groups=groups,
    )


def _autoencoder(sizes: AutoencoderSizes, groups: int) -> Any:
    levels = len(sizes.channel_mult)
    return AutoencoderKL(
        latent_channels=sizes.latent_channels,
        block_out_channels=[sizes.channels * m for m in sizes.channel_mult],
        layers_per_block=sizes.res_blocks,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        norm_num_groups=groups,
    )


def _text(sizes: TextSizes) -> Any:
    config = CLIPTextConfig(
        vocab_size=sizes.vocabulary,
        max_position_embeddings=sizes.positions,
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp_width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        hidden_act=sizes.activation,
        projection_dim=sizes.width,
    )
    module: Any = CLIPTextModel(config)
    # No file has to hold this buffer, so it needs its content here; made above, on the meta device, it had none.
    module.embeddings.position_ids = torch.arange(sizes.positions, device="cpu")[None]
    return module
