"""Where a pass begins that starts from a picture and not from noise alone."""

from dataclasses import dataclass

import torch
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

    noise_alpha: float | None = None
    """The cumulative alpha of the noise's timestep, for samplers that begin with latents of unit variance (DDIM and its kin)."""

    def latents(self, picture: Tensor, noise: Tensor, extra: float = 0.0) -> Tensor:
        """Latents to begin with, from the picture's clean ones and unit noise; `extra` is A1111's `img2img_extra_noise`."""
        if self.noise_alpha is None:
            noised, share = picture + noise * self.noise_sigma, torch.ones(())
        else:
            share = torch.tensor(self.noise_alpha).sqrt()
            noised = share * picture + (1 - torch.tensor(self.noise_alpha)).sqrt() * noise
        return noised + noise * extra * share if extra else noised


def entry_step(steps: int, strength: float) -> int:
    """The number of the step, counted from the end, at which a schedule of `steps` steps is entered: int(strength * steps)."""
    return int(min(strength, _MOST_STRENGTH) * steps)


def stretched_steps(steps: int, strength: float) -> int:
    """How many steps a schedule needs so that `steps` of them are left for this strength; it is then entered at `steps` - 1.

    The hires fix does so always, img2img on request (A1111's `img2img_fix_steps`). 0 for strength 0: there is nothing to run.
    """
    return int(steps / min(strength, _MOST_STRENGTH)) if strength > 0 else 0
