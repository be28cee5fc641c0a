"""What recipes are told of a checkpoint, for tests that run them without one."""

import torch

from app.recipes.ops import ModelInfo

TINY_INFO = ModelInfo(
    name="tiny",
    alphas_cumprod=torch.ones(1000),
    latent_channels=4,
    latent_scale=0.18215,
    concat_channels=0,
    native_size_px=64,
    device="cpu",
)
