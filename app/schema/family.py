"""What a family of models asks of the way its pictures are drawn, beside the sizes of its networks."""

from dataclasses import dataclass
from typing import Literal

Told = Literal["original height", "original width", "crop top", "crop left", "target height", "target width", "aesthetic score"]
"""Numbers that a denoiser may be told beside the prompt."""


@dataclass(frozen=True, kw_only=True)
class FamilyRules:
    """The defaults are Stable Diffusion 1's."""

    told: tuple[Told, ...] = ()
    """The numbers that stand behind the pooled text in the vector beside the time, in their order (Podell et al. 2023, section 2.2)."""
    zeroes_blank_negatives: bool = False
    """Where the negative prompt is empty, zeros stand in the place of what the text encoders make of it."""
    aligns_as_sdxl: bool = False
    """Whether the schedule Align Your Steps is SDXL's."""
    tells_blank_mask: bool = True
    """Whether the infotext tells the conditional mask weight of an inpainting checkpoint that draws without a mask."""


PLAIN_RULES = FamilyRules()
