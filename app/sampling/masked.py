"""Drawing only a part of the latents anew: the rest is put back around every question that a sampler asks."""

from dataclasses import dataclass

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
    soft: SoftBlend | None = None
    """In the place of a linear blend."""

    def asked(self, question: Denoise) -> Denoise:
        """What the network is asked in place of the sampler's question: on timesteps the rest is put into the latents before a call.

        As in A1111 the rest has no noise on it, whatever the noise level. The sampler keeps its own latents.
        """
        if question.timestep is None:
            return question
        return question._replace(x=self._blended(question.x, question.timestep))

    def answered(self, question: Denoise, answer: Tensor) -> Tensor:
        """What the sampler is sent: the noise that the network found, or the denoised latents with the rest in them."""
        return answer if question.timestep is not None else self._blended(answer, question.sigma)

    def last(self, latents: Tensor) -> Tensor:
        """The rest put into the latents that are decoded; where the blend is soft it is put into the pixels."""
        return self._linear(latents) if self.soft is None else latents

    def _blended(self, latents: Tensor, level: float) -> Tensor:
        if self.soft is None:
            return self._linear(latents)
        return self.soft.blend(self.original, latents, self.soft.share(self.drawn, level))

    def _linear(self, latents: Tensor) -> Tensor:
        return latents * self.drawn + self.original * (1 - self.drawn)
