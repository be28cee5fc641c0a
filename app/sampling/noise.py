"""Noise per picture: each has generators of its own, so what it is made from does not depend on its company or device."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from app.sampling.brownian import BrownianMotion, Interval, increments
from app.sampling.philox import Philox
from app.sampling.variation import pasted, slerp

NoiseKind = Literal["CPU", "GPU", "NV"]
"""Where random numbers come from, in A1111's words. GPU means CPU here, as it does for A1111 without a CUDA card: a seed is to mean
one picture everywhere. NV gives a CUDA card's numbers."""

Shape = tuple[int, int, int]
"""(channels, height/8, width/8)"""

_MOST_SEED = 2**64 - 1
_Draw = Callable[[tuple[int, ...]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Initial noise turned from the picture's own towards that of another seed."""

    seeds: tuple[int, ...]
    """One a picture."""
    strength: float


class PictureNoise:
    """Unit normal noise for a batch of pictures, drawn on the CPU and put on `device`.

    The first draw is the initial noise and the only one that `variation` and `resize_from` act on; after it every picture goes on
    with its generator, or with a new one of seed + `seed_delta` (A1111's eta noise seed delta) where that is not 0.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Sequence[int],
        *,
        device: torch.device | str = "cpu",
        kind: NoiseKind = "CPU",
        variation: Variation | None = None,
        resize_from: tuple[int, int] | None = None,
        seed_delta: int = 0,
        span: Sequence[float] = (),
        shared_motion: bool = False,
    ) -> None:
        """`shape` is (channels, height/8, width/8); `resize_from` is another height and width, in the latent's units.

        `span` are the sigmas of the whole schedule where a pass runs only its end: Brownian motions are drawn for all of it.
        `shared_motion` draws one for the batch, seeded by way of its last picture's seed (A1111's `no_dpmpp_sde_batch_determinism`).
        """
        channels, height, width = shape
        self.seeds, self.shape = tuple(seeds), (channels, height, width)
        self._device, self._kind, self._seed_delta = torch.device(device), kind, seed_delta
        self._variation, self._resize_from = variation, resize_from
        self._shared_motion = shared_motion
        self._span = [sigma for sigma in span if sigma > 0]
        self._draws = [_generator(seed, kind) for seed in self.seeds]
        self._begun = False

    def draw(self) -> Tensor:
        """The next (pictures, channels, height/8, width/8) float32 of every picture's generator."""
        if self._begun:
            return self._placed(torch.stack([draw(self.shape) for draw in self._draws]))
        self._begun = True
        first = torch.stack([self._initial(i) for i in range(len(self.seeds))])
        if self._seed_delta:
            self._draws = [_generator(seed + self._seed_delta, self._kind) for seed in self.seeds]
        return self._placed(first)

    def increments(self, low: float, high: float, intervals: Iterable[Interval]) -> Iterator[Tensor]:
        """Noise whose draws for neighbouring intervals of sigma belong together, on [low, high] and the `span`.

        It comes of the seeds themselves: no variation, no seed delta.
        """
        low, high = min([low, *self._span]), max([high, *self._span])

        def randn(seed: int, shape: tuple[int, ...]) -> Tensor:
            return _generator(seed, self._kind)(shape)

        motions = [BrownianMotion(seed, (1, *self.shape), low, high, randn) for seed in self.seeds]
        if self._shared_motion:
            drawn = torch.randint(0, 2**63 - 1, (), generator=torch.Generator().manual_seed(self.seeds[-1]))
            motions = [BrownianMotion(int(drawn), (len(self.seeds), *self.shape), low, high, randn)]
        return map(self._placed, increments(motions, intervals))

    def _initial(self, i: int) -> Tensor:
        size = self.shape if self._resize_from is None else (self.shape[0], *self._resize_from)
        own = self._draws[i] if size == self.shape else _generator(self.seeds[i], self._kind)
        noise = own(size)
        if self._variation is not None:
            other = _generator(self._variation.seeds[i], self._kind)
            noise = slerp(noise, other(size), self._variation.strength)
        return noise if size == self.shape else pasted(noise, self._draws[i](self.shape))

    def _placed(self, batch: Tensor) -> Tensor:
        """The batch on the device; from pinned memory, else the copy would wait for the device."""
        if self._device.type != "cuda":
            return batch.to(self._device)
        return batch.pin_memory().to(self._device, non_blocking=True)


def _generator(seed: int, kind: NoiseKind) -> _Draw:
    seed &= _MOST_SEED  # a batch may count beyond it, a seed delta below 0
    if kind == "NV":
        return Philox(seed).randn
    generator = torch.Generator().manual_seed(seed)  # its Mersenne twister takes the low 32 bits
    return lambda shape: torch.randn(shape, generator=generator)
