"""LCM: every step goes to a clean picture and back into fresh noise; for models distilled to few steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.spec import SamplerSpec
from app.sampling.table import NoiseTable

_TRAINED_STEPS = 50
"""LCMs are distilled on every 20th of 1000 timesteps, from the 20th on."""
_TIMESTEP_SCALE, _SIGMA_DATA = 10.0, 0.5


def lcm(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, table: NoiseTable) -> Sampler:
    """Multistep consistency sampling (Luo et al. 2023, "Latent consistency models", algorithm 3).

    The network is asked at the trained timestep nearest to a sigma, with latents scaled for the sigma itself: A1111 does so too.
    """
    trained = _trained(table)
    stride = len(table) // len(trained)
    for sigma, following in pairwise(sigmas):
        index = trained.nearest(sigma)
        asked = float(trained.sigmas[index])
        scaled = x * sqrt((1 + asked**2) / (1 + sigma**2))
        direction = (scaled - (yield Denoise(scaled, asked))) / asked
        x = _consistent(x, x - direction * sigma, stride * (index + 1) - 1)
        if following > 0:
            x = x + noise.draw() * following
    return x


def _consistent(x: Tensor, denoised: Tensor, timestep: int) -> Tensor:
    """The consistency function: the identity at timestep 0, the denoised latents far from it (equation 9 and its constants)."""
    scaled = timestep * _TIMESTEP_SCALE
    square = scaled**2 + _SIGMA_DATA**2
    return x * (_SIGMA_DATA**2 / square) + denoised * (scaled / sqrt(square))


def _trained(table: NoiseTable) -> NoiseTable:
    stride = max(len(table) // _TRAINED_STEPS, 1)
    return NoiseTable(table.alphas_cumprod[stride - 1 :: stride])


@dataclass(frozen=True, kw_only=True)
class LCMSpec(SamplerSpec):
    """LCM runs through schedules over the timesteps it was distilled on, and is asked at these."""

    def sigmas(self, scheduler: str, steps: int, table: NoiseTable, options: SamplerOptions) -> list[float]:
        """The noise levels of a pass, from a schedule over the distilled timesteps alone."""
        return super().sigmas(scheduler, steps, _trained(table), options)

    def sample(self, x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, table: NoiseTable) -> Sampler:
        """Begins a pass."""
        return lcm(x, sigmas, noise, table)
