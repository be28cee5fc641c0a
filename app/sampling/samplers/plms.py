"""PLMS: DDIM's timesteps with up to fourth order from the noise predictions of earlier steps."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.timesteps import Level, moved

_WEIGHTS = (((), 1), ((3, -1), 2), ((23, -16, 5), 12), ((55, -59, 37, -9), 24))
"""Adams-Bashforth for equal steps, by the number of earlier predictions: numerators, denominator."""


def plms(x: Tensor, levels: Sequence[Level], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Pseudo linear multistep (Liu et al. 2022, equations 9 and 12), which begins with one pseudo Heun step of two calls."""
    predictions: list[Tensor] = []
    for level, following in pairwise(levels):
        predictions = [(yield level.asked(x)), *predictions[:3]]
        if len(predictions) == 1:
            guess = moved(x, predictions[0], level, following)
            direction = (predictions[0] + (yield following.asked(guess))) / 2
        else:
            weights, whole = _WEIGHTS[len(predictions) - 1]
            first, *rest = (weight * prediction for weight, prediction in zip(weights, predictions, strict=True))
            direction = sum(rest, first) / whole
        x = moved(x, direction, level, following)
    return x
