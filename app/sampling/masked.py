"""Drawing only a part of the latents anew: the rest is put back around every question that a sampler asks."""

from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from app.sampling.protocol import Denoise


@dataclass(frozen=True, eq=False)
class Masked:
    """What of the latents is drawn anew, and what the rest is."""

    original: Tensor
    """(pictures, channels, height/8, width/8), clean."""
    drawn: Tensor
    """(1, 1, height/8, width/8) in 0..1; 1 is drawn anew."""
    before: bool
    """Whether the rest is put into the latents before a call (A1111's samplers on timesteps) or into the answer after it (the others)."""

    def asked(self, question: Denoise) -> Denoise:
        """What the network is asked in place of the sampler's question.

        As in A1111 the rest has no noise on it, whatever the noise level; in unit variance, so it grows with the sigma here.
        """
        if not self.before:
            return question
        rest = self.original * sqrt(1 + question.sigma**2)
        return question._replace(x=question.x * self.drawn + rest * (1 - self.drawn))

    def answered(self, question: Denoise, asked: Denoise, answer: Tensor) -> Tensor:
        """What the sampler is sent: the noise that the network found taken from the sampler's own latents, or the answer with the rest."""
        if self.before:
            return answer + (question.x - asked.x)
        return self.mixed(answer, question.sigma)

    def mixed(self, denoised: Tensor, sigma: float) -> Tensor:
        """The rest put into clean latents."""
        return denoised * self.drawn + self.original * (1 - self.drawn)

    def last(self, latents: Tensor) -> Tensor:
        """The rest put into the latents that are decoded."""
        return latents * self.drawn + self.original * (1 - self.drawn)
