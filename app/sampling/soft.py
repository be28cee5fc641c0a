"""Soft inpainting: greys of a mask blend drawing and original gradually, more or less of each as the noise falls."""

from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-5


@dataclass(frozen=True, kw_only=True)
class SoftBlend:
    """How the blend follows the noise level, and how much contrast it keeps."""

    bias: float
    preservation: float
    contrast: float

    def share(self, drawn: Tensor, level: float) -> Tensor:
        """How much of the drawing is in the blend at a noise level: a mask laid on n times has its n-th power."""
        return torch.pow(drawn, level**self.bias * self.preservation)

    def blend(self, original: Tensor, latents: Tensor, share: Tensor) -> Tensor:
        """(pictures, channels, height/8, width/8); `share` in 0..1 broadcasts.

        Each vector of channels has the direction of the linear blend, and a length between the two lengths: their power mean of
        exponent `contrast`, which is nearer to the larger, because the mean of two unlike vectors is shorter than both.
        """
        mixed = original * (1 - share) + latents * share
        length = torch.linalg.vector_norm(mixed, dim=1, keepdim=True, dtype=torch.float64) + _TINY
        first, second = (torch.linalg.vector_norm(one, dim=1, keepdim=True, dtype=torch.float64) for one in (original, latents))
        wanted = torch.pow(first.pow(self.contrast) * (1 - share) + second.pow(self.contrast) * share, 1 / self.contrast)
        return torch.mul(mixed, wanted / length).to(mixed.dtype)
