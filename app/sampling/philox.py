"""The random numbers of a CUDA card, on the CPU: Philox 4x32-10 and Box-Muller as torch.randn does them there.

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"; its constants.
"""

import numpy as np
import torch
from torch import Tensor

_Words = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
_Normal = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_LOW = np.uint64(_MASK)
_SHIFT = np.uint64(32)
_ROUNDS = 10


class Philox:
    """One picture's generator; all 64 bits of the seed count. Every draw starts a new block of counters, as a kernel launch does."""

    def __init__(self, seed: int) -> None:
        self._key = (seed & _MASK, (seed >> 32) & _MASK)
        self._draws = 0

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        """Unit normal float32 of this shape, on the CPU."""
        words = np.zeros((4, int(np.prod(shape))), dtype=np.uint64)
        words[0] = self._draws
        words[2] = np.arange(words.shape[1], dtype=np.uint64)
        self._draws += 1
        first, second = _encrypt(words, self._key)[:2]
        return torch.from_numpy(_box_muller(first, second).reshape(shape))


def _encrypt(words: _Words, key: tuple[int, int]) -> _Words:
    """Ten rounds over (4, n) counters of 32 bits, held in 64 so that products fit."""
    a, b, c, d = words
    for i in range(_ROUNDS):
        key_a, key_b = (np.uint64((k + i * step) & _MASK) for k, step in zip(key, _KEY_STEPS, strict=True))
        product_a, product_c = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (product_c >> _SHIFT) ^ b ^ key_a, product_c & _LOW, (product_a >> _SHIFT) ^ d ^ key_b, product_a & _LOW
    return np.stack((a, b, c, d))


def _box_muller(first: _Words, second: _Words) -> _Normal:
    """Box & Muller 1958 with CUDA's offsets, which keep the uniform numbers above zero; of the pair only the sine is used."""
    unit = (first + 0.5) * 2.0**-32
    turn = (second + 0.5) * np.float64(np.float32(2.0**-32 * 2 * np.pi))
    normal: _Normal = (np.sqrt(-2 * np.log(unit)) * np.sin(turn)).astype(np.float32)
    return normal
