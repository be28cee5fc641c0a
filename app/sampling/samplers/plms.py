"""PLMS: DDIM's timesteps with up to fourth order from the noise predictions of earlier steps."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler

_WEIGHTS: tuple[tuple[float, ...], ...] = ((), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Adams-Bashforth for equal steps, by the number of earlier predictions."""


def plms(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Pseudo linear multistep (Liu et al. 2022, equations 9 and 12), which begins with one pseudo Heun step of two calls."""
    predictions: list[Tensor] = []
    for sigma, following in pairwise(sigmas):
        predictions = [(x - (yield Denoise(x, sigma))) / sigma, *predictions[:3]]
        if len(predictions) == 1:
            guess = x + predictions[0] * (following - sigma)
            there = (guess - (yield Denoise(guess, following))) / following
            direction = (predictions[0] + there) / 2
        else:
            weights = _WEIGHTS[len(predictions) - 1]
            direction = sum((p * w for p, w in zip(predictions[1:], weights[1:], strict=True)), predictions[0] * weights[0])
        x = x + direction * (following - sigma)
    return x
