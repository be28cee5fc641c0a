"""A rough look at latents without the decoder: one linear map from a latent's channels to colours, fitted to the checkpoint itself."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from app.engine.client import Pixels
from app.networks import Checkpoint

FIT_SIDE = 16
"""Side in latents of the random picture that a new checkpoint's map is fitted on."""
KEPT_DECODES = 4


@dataclass
class PreviewMap:
    """Least squares from (channels + 1) to RGB. Every VAE has its own colours, so it is fitted, not copied from a table.

    It begins with one decode of smooth noise and is fitted again to the first pictures that the checkpoint really makes.
    """

    weights: Tensor
    """(channels + 1, 3)"""
    _seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @classmethod
    def of(cls, checkpoint: Checkpoint, channels: int, device: torch.device) -> "PreviewMap":
        """Fits a first map with one small decode."""
        generator = torch.Generator().manual_seed(0)
        coarse = torch.randn(1, channels, FIT_SIDE // 4, FIT_SIDE // 4, generator=generator) * 1.5
        latents = torch.nn.functional.interpolate(coarse, size=(FIT_SIDE, FIT_SIDE), mode="bilinear")
        decoded = checkpoint.decode(latents.to(device)).to("cpu", torch.float32)
        return cls(_fitted([(latents, (decoded + 1) / 2)]))

    def learn(self, latents: Tensor, pixels: Tensor) -> None:
        """Takes a picture the checkpoint has decoded: latents (1, c, h, w), pixels (1, H, W, 3) uint8. Only the first few count."""
        if len(self._seen) < KEPT_DECODES:
            self._seen.append((latents.detach().to("cpu", torch.float32), pixels.permute(0, 3, 1, 2).float() / 255))
            self.weights = _fitted(self._seen)

    def pixels(self, latents: Tensor) -> Pixels:
        """(h, w, 3) uint8 of one (c, h, w) latent."""
        flat = latents.detach().to("cpu", torch.float32).permute(1, 2, 0)
        colours = flat @ self.weights[:-1] + self.weights[-1]
        return np.asarray((colours.clamp(0, 1) * 255).to(torch.uint8))


def _fitted(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    rows, colours = [], []
    for latents, pixels in pairs:
        small = torch.nn.functional.adaptive_avg_pool2d(pixels, (latents.shape[2], latents.shape[3]))
        flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
        rows.append(torch.cat([flat, torch.ones(len(flat), 1)], dim=1))
        colours.append(small.permute(0, 2, 3, 1).reshape(-1, 3))
    a, b = torch.cat(rows), torch.cat(colours)
    ridge = 1e-3 * len(a) * torch.eye(a.shape[1])  # a flat picture must not blow the map up
    weights: Tensor = torch.linalg.solve(a.T @ a + ridge, a.T @ b)
    return weights
