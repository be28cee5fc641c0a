"""Euler's method run backwards: from a picture's latents to the noise that leads to them (trygvebw's "find noise for image", 2022)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.protocol import Denoise, Sampler


def inverted(x: Tensor, sigmas: Sequence[float], *, adjusted: bool) -> Sampler:
    """Unit noise (rows, channels, height, width) from clean latents; `sigmas` fall and end with 0.

    Each step asks the model at the level that it leads to; `adjusted` asks at the one that it begins at, which is Euler's method proper.
    The first step has no such level and changes nothing then.
    """
    rising = list(reversed(sigmas))
    for low, high in pairwise(rising):
        asked = low if adjusted else high
        if asked == 0:
            continue
        denoised = yield Denoise(x, asked)
        x = x + (x - denoised) / asked * (high - low)
    return x / rising[-1] if adjusted else x / x.std()
