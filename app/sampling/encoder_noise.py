"""The noise that an encoded picture's latents are drawn with."""

from collections.abc import Sequence

import torch
from torch import Tensor

_SEED_BITS = 2**64 - 1


class EncoderNoise:
    """One generator a job, which stands where torch's global one does in A1111.

    An autoencoder gives a mean and a standard deviation (Kingma & Welling 2014), and A1111 draws the latents from these by torch's global
    generator, in whatever state earlier work left it. Here it begins every job with a seed of 0, so that a picture does not depend on
    what was made before it. A picture's initial noise seeds it, as it does there.
    """

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)

    def draw(self, shape: Sequence[int]) -> Tensor:
        """The next unit normal numbers, float32 on the CPU."""
        return torch.randn(tuple(shape), generator=self._generator)

    def follow(self, seed: int, kind: str) -> None:
        """A picture's initial noise has been drawn from this seed: by a generator of its own, but A1111 seeds the global one too.

        Not where `kind` is NV, whose numbers are not torch's.
        """
        if kind != "NV":
            self._generator.manual_seed(seed & _SEED_BITS)
