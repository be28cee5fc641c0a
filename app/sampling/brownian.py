"""Noise that belongs to an interval of sigmas: increments of one Brownian motion a picture.

The motion is the virtual Brownian tree of torchsde (Li et al. 2020, "Scalable gradients for stochastic differential equations",
section 4), bit for bit, as k-diffusion uses it. It is written again here because the tree's own noise must come from the
job's kind of generator, which torchsde leaves no room for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import sqrt
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from app.sampling.protocol import NoiseSource

Randn = Callable[[int, tuple[int, ...]], Tensor]
"""(seed, shape) to unit normal float32 on the CPU, always the same."""

Interval = tuple[float, float]
"""(from, to): a sigma and the lower one that a step leads to."""

_DIGITS = 6
"""Decimal places that times are told apart by (torchsde's tolerance of 1e-6, which k-diffusion keeps)."""
_POOL_SIZE = 24
"""torchsde's: how much entropy a seed is stirred with; another number would be other noise."""


class _Piece(NamedTuple):
    """An interval of the tree, found by its depth and its place from the left, and what the motion does over it."""

    start: float
    end: float
    depth: int
    place: int
    increment: Tensor


class BrownianMotion:
    """A motion over [low, high], determined by its seed alone and not by where it is asked for."""

    def __init__(self, seed: int, shape: tuple[int, ...], low: float, high: float, randn: Randn) -> None:
        self._seed, self._shape, self._randn = seed, shape, randn
        first = np.random.SeedSequence(entropy=seed, pool_size=_POOL_SIZE).generate_state(3)[0]
        whole = randn(int(first), shape) * sqrt(high - low)
        self._root = _Piece(round(low, _DIGITS), round(high, _DIGITS), 0, 0, whole)
        self._kept: dict[tuple[int, int], tuple[float, Tensor]] = {}
        """Of the pieces that the last question led through: their middle, and the increment up to it. The next one is near it."""

    def increment(self, start: float, end: float) -> Tensor:
        """What the motion does from `start` to `end`; beyond the tree's own ends it stands still."""
        earlier, self._kept = self._kept, {}
        start, end = max(round(start, _DIGITS), self._root.start), min(round(end, _DIGITS), self._root.end)
        if start >= end:
            return torch.zeros(self._shape)
        first, *rest = self._within(self._root, start, end, earlier)
        return sum(rest, first)

    def _within(self, piece: _Piece, start: float, end: float, earlier: dict[tuple[int, int], tuple[float, Tensor]]) -> Iterator[Tensor]:
        """The increments of the pieces that an interval is made of, from left to right."""
        if (start, end) == (piece.start, piece.end):
            yield piece.increment
            return
        key = (piece.depth, piece.place)
        middle, increment = self._kept[key] = earlier.get(key) or self._split(piece)
        if start < middle:
            left = _Piece(piece.start, middle, piece.depth + 1, 2 * piece.place, increment)
            yield from self._within(left, start, min(end, middle), earlier)
        if end > middle:
            right = _Piece(middle, piece.end, piece.depth + 1, 2 * piece.place + 1, piece.increment - increment)
            yield from self._within(right, max(start, middle), end, earlier)

    def _split(self, piece: _Piece) -> tuple[float, Tensor]:
        """The middle, and the increment up to it: that of a Brownian bridge."""
        middle = round(0.5 * (piece.end + piece.start), _DIGITS)
        left, right, reciprocal = middle - piece.start, piece.end - middle, 1 / (piece.end - piece.start)
        sequence = np.random.SeedSequence(entropy=self._seed, spawn_key=(piece.place, piece.depth), pool_size=_POOL_SIZE)
        noise = self._randn(int(sequence.generate_state(4)[0]), self._shape)
        return middle, left * piece.increment * reciprocal + sqrt(left * right * reciprocal) * noise


def increments(motions: Sequence[BrownianMotion], intervals: Iterable[Interval]) -> Iterator[Tensor]:
    """Unit normal noise on the CPU for one interval after another: what the motions do in it over its spread.

    While the caller works with one, the next is drawn in a thread: a search of the tree costs some 20 draws a picture.
    Times are float32 numbers, because the tree is searched by their decimals, and so is their distance.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="noise") as worker:
        ahead: Future[Tensor] | None = None
        for interval in intervals:
            drawn, ahead = ahead, worker.submit(_increment, motions, interval)
            if drawn is not None:
                yield drawn.result()
        if ahead is not None:
            yield ahead.result()


def _increment(motions: Sequence[BrownianMotion], interval: Interval) -> Tensor:
    high, low = torch.tensor(interval, dtype=torch.float32).unbind()
    return torch.cat([motion.increment(float(low), float(high)) for motion in motions]) / -(high - low).sqrt()


class SeededNoise(NoiseSource, Protocol):
    """A noise source that can also give the increments of Brownian motions."""

    def increments(self, low: float, high: float, intervals: Iterable[Interval]) -> Iterator[Tensor]:
        """Unit normal noise (pictures, channels, height/8, width/8) for intervals of the sigmas [low, high], in the given order."""
        ...
