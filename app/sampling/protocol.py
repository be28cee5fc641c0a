"""What a sampler asks for and is given: the two seams (the model's answer, the noise) that samplers elsewhere lack."""

from collections.abc import Generator
from math import sqrt
from typing import NamedTuple, Protocol

from torch import Tensor


class Denoise(NamedTuple):
    """Asks for `x` at noise level `sigma`, denoised after guidance, or for the noise in it; the answer has the shape of `x`."""

    x: Tensor
    """(pictures, channels, height/8, width/8) float32: the clean latents plus sigma times unit noise."""
    sigma: float
    both: bool = False
    """Asks for (2, *shape of x) instead: after guidance at 1/12.5 of the CFG scale, and of the negative prompt alone (CFG++)."""
    timestep: float | None = None
    """Of samplers that run on the model's timesteps: `x` then has unit variance, and the answer is the noise in it."""

    def clean(self, answer: Tensor) -> Tensor:
        """The clean latents that an answer (of the shape of `x`) stands for."""
        return answer if self.timestep is None else self.x * sqrt(1 + self.sigma**2) - answer * self.sigma


Sampler = Generator[Denoise, Tensor, Tensor]
"""Yields `Denoise`, is sent its answers, returns the final latents."""


class NoiseSource(Protocol):
    """Unit normal noise, one row a picture, each from that picture's own generator."""

    def draw(self) -> Tensor:
        """The next (pictures, channels, height/8, width/8) float32 of every picture's generator."""
        ...
