"""Where a pass begins that starts from a picture and not from noise alone."""

from dataclasses import dataclass
from math import sqrt

from torch import Tensor

_MOST_STRENGTH = 0.999
"""A strength of 1 counts as this, as in A1111: the picture always stays under the noise."""


@dataclass(frozen=True)
class Entry:
    """How much noise goes on the picture, and through which sigmas the sampler then runs."""

    noise_sigma: float
    sigmas: list[float]
    span: list[float]
    """All sigmas of the schedule that was entered, which Brownian noise is drawn for."""

    def latents(self, picture: Tensor, noise: Tensor, extra: float = 0.0) -> Tensor:
        """Latents to begin with, from the picture's clean ones and unit noise; `extra` is A1111's `img2img_extra_noise`.

        Where noise_sigma is not the first of the sigmas (DDIM and its kin) the latents keep their unit-variance form in between.
        """
        noised = picture + noise * (self.noise_sigma + extra)
        return noised * sqrt((1 + self.sigmas[0] ** 2) / (1 + self.noise_sigma**2))


def entry_step(steps: int, strength: float) -> int:
    """The number of the step, counted from the end, at which a schedule of `steps` steps is entered: int(strength * steps)."""
    return int(min(strength, _MOST_STRENGTH) * steps)


def stretched_steps(steps: int, strength: float) -> int:
    """How many steps a schedule needs so that `steps` of them are left for this strength; it is then entered at `steps` - 1.

    The hires fix does so always, img2img on request (A1111's `img2img_fix_steps`). 0 for strength 0: there is nothing to run.
    """
    return int(steps / min(strength, _MOST_STRENGTH)) if strength > 0 else 0
