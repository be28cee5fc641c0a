"""Drawing only a part of the latents anew: the rest is put back around every question that a sampler asks."""

from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from app.sampling.protocol import Denoise
from app.sampling.soft import SoftBlend


@dataclass(frozen=True, eq=False)
class Masked:
    """What of the latents is drawn anew, and what the rest is."""

    original: Tensor
    """(pictures, channels, height/8, width/8), clean."""
    drawn: Tensor
    """(1, 1, height/8, width/8) in 0..1; 1 is drawn anew."""
    before: bool
    """Whether the rest is put into the latents before a call (A1111's samplers on timesteps) or into the answer after it (the others)."""
    soft: SoftBlend | None = None
    """In the place of a linear blend."""

    def asked(self, question: Denoise, timestep: float) -> Denoise:
        """What the network is asked in place of the sampler's question.

        As in A1111 the rest has no noise on it, whatever the noise level, and both are blended in unit variance.
        """
        if not self.before:
            return question
        scale = sqrt(1 + question.sigma**2)
        return question._replace(x=self._blended(question.x / scale, timestep) * scale)

    def answered(self, question: Denoise, asked: Denoise, answer: Tensor) -> Tensor:
        """What the sampler is sent: the noise that the network found taken from the sampler's own latents, or the answer with the rest."""
        if self.before:
            return answer + (question.x - asked.x)
        return self._blended(answer, question.sigma)

    def last(self, latents: Tensor) -> Tensor:
        """The rest put into the latents that are decoded; where the blend is soft it is put into the pixels."""
        return self._linear(latents) if self.soft is None else latents

    def _blended(self, latents: Tensor, level: float) -> Tensor:
        if self.soft is None:
            return self._linear(latents)
        return self.soft.blend(self.original, latents, self.soft.share(self.drawn, level))

    def _linear(self, latents: Tensor) -> Tensor:
        return latents * self.drawn + self.original * (1 - self.drawn)
