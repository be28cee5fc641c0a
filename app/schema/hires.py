"""Sizes of the hires fix: what the first picture is enlarged to, and what is then cut off."""

from dataclasses import dataclass
from math import ceil

LATENT_PX = 8
"""Pixels a side that one latent stands for."""
OLD_FIRST_PASS_PIXELS = 512 * 512
"""What the hires fix of 2022 scaled its first pass to when no size was given for it."""
OLD_SIDE_PX = 64


@dataclass(frozen=True)
class HiresSize:
    """Where a hires pass leads, in pixels."""

    enlarged: tuple[int, int]
    """(width, height) before the cut."""
    cut: tuple[int, int]
    """Columns and rows of latents that are then cut off, the larger half of them at the end."""

    @property
    def picture(self) -> tuple[int, int]:
        """(width, height) of the finished picture."""
        width, height = (side // LATENT_PX - cut for side, cut in zip(self.enlarged, self.cut, strict=True))
        return width * LATENT_PX, height * LATENT_PX


def hires_size(width: int, height: int, scale: float, target: tuple[int, int]) -> HiresSize:
    """The size for a first picture and either a factor or a target (width, height), which counts where it is not (0, 0).

    One number of a target that is 0 follows from the other; with both, the picture covers the target and what sticks out is cut off.
    """
    x, y = target
    if not x and not y:
        return HiresSize((int(width * scale), int(height * scale)), (0, 0))
    if not y:
        return HiresSize((x, x * height // width), (0, 0))
    if not x:
        return HiresSize((y * width // height, y), (0, 0))
    enlarged = (x, x * height // width) if width * y < height * x else (y * width // height, y)
    return HiresSize(enlarged, ((enlarged[0] - x) // LATENT_PX, (enlarged[1] - y) // LATENT_PX))


def old_first_pass_size(width: int, height: int) -> tuple[int, int]:
    """The size of the first pass by which the hires fix of 2022 came to a picture of this size."""
    scale = (OLD_FIRST_PASS_PIXELS / max(1, width * height)) ** 0.5
    first_width, first_height = (ceil(side * scale / OLD_SIDE_PX) * OLD_SIDE_PX for side in (width, height))
    return first_width, first_height
