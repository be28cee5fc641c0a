"""What a dialect gives back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a picture was made: who says so, and what, as an infotext."""

    dialect: str
    infotext: str
