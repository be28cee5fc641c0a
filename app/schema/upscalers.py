"""Names of the ways to enlarge a picture or its latents, as A1111 lists them: facts that import no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.schema.errors import UnknownName

NO_UPSCALER = "None"
IMAGE_UPSCALERS = (NO_UPSCALER, "Lanczos", "Nearest")
"""Those that need no model, in A1111's order."""


@dataclass(frozen=True)
class LatentUpscaler:
    """A way to enlarge latents: torch's interpolation mode, and whether its kernel widens where it shrinks."""

    mode: str
    antialias: bool = False


DEFAULT_LATENT = "Latent"
LATENT_UPSCALERS: Mapping[str, LatentUpscaler] = MappingProxyType(
    {
        DEFAULT_LATENT: LatentUpscaler("bilinear"),
        "Latent (antialiased)": LatentUpscaler("bilinear", antialias=True),
        "Latent (bicubic)": LatentUpscaler("bicubic"),
        "Latent (bicubic antialiased)": LatentUpscaler("bicubic", antialias=True),
        "Latent (nearest)": LatentUpscaler("nearest"),
        "Latent (nearest-exact)": LatentUpscaler("nearest-exact"),
    }
)
"""By A1111's names, in its order."""


def find_hires_upscaler(name: str) -> LatentUpscaler | None:
    """The latents' upscaler of this name (empty: Latent), None for one that enlarges pictures; UnknownName for any other word."""
    if name in IMAGE_UPSCALERS:
        return None
    known = LATENT_UPSCALERS.get(name or DEFAULT_LATENT)
    if known is None:
        raise UnknownName("upscaler", name, (*LATENT_UPSCALERS, *IMAGE_UPSCALERS))
    return known
