"""Which family of checkpoints a model file belongs to or fits: by what its tensors' shapes say, else by what it says of itself."""

import re
from collections.abc import Mapping

_BY_WIDTH: Mapping[int, str] = {768: "SD1", 1024: "SD2", 2048: "SDXL", 1280: "SDXL refiner"}
"""By the width of the texts that the family's denoiser takes."""
_BY_NAME: Mapping[str, str] = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner"}
"""By the internal names of the families that Darkroom loads."""
_BY_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern, re.IGNORECASE))
    for family, pattern in (
        ("SDXL refiner", r"refiner"),
        ("SDXL", r"sd[-_ ]?xl|stable[-_ ]diffusion[-_ ]xl|pony|illustrious|noob[-_ ]?ai|animagine|ssd[-_ ]?1b|segmind"),
        ("SD3", r"\bsd[-_ ]?v?3|stable[-_ ]diffusion[-_ ]v?3"),
        ("Flux", r"\bflux"),
        ("SD2", r"\bsd[-_ ]?v?2|stable[-_ ]diffusion[-_ ]v?2"),
        ("SD1", r"\bsd[-_ ]?v?1|stable[-_ ]diffusion[-_ ]v?1"),
    )
)
"""By what trainers (`ss_base_model_version`), ModelSpec (`modelspec.architecture`), Civitai (`baseModel`) and people call them."""


def family_of_name(name: str, title: str) -> str:
    """The short name of a family that Darkroom loads, from its internal one; its title where it has no short name."""
    return _BY_NAME.get(name, title)


def family_of_width(width: int | None) -> str:
    """The family whose texts have this width; empty where none has."""
    return _BY_WIDTH.get(width or 0, "")


def family_of_words(*told: str | None) -> str:
    """The family that the first of these texts names which names one; empty where none does."""
    return next((family for text in told if text for family, words in _BY_WORDS if words.search(text)), "")
