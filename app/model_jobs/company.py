"""The files that belong to a model's file: notes, previews, a yaml, a VAE beside it; they go where it goes."""

from pathlib import Path

from app.models.folders import Root
from app.models.library.beside import CIVITAI, NOTES, PREVIEWS
from app.models.png_embedding import holds_embedding

SUFFIXES = (NOTES, CIVITAI, *PREVIEWS, ".yaml", ".txt", ".description.txt", ".vae.safetensors", ".vae.ckpt", ".vae.pt")
"""Behind the name without its ending, as A1111 and Civitai Helper have them."""


def company_of(path: Path, root: Root) -> list[Path]:
    """What belongs to a model's file and to no other of the same name (`x.ckpt` beside `x.safetensors` keeps what both have)."""
    stem = path.stem
    beside = [path.with_name(stem + suffix) for suffix in SUFFIXES]
    beside = [other for other in beside if other != path and other.is_file()]
    if any(_is_model(other, root) for other in path.parent.glob(f"{_escaped(stem)}.*") if other.stem == stem and other != path):
        return []
    return beside


def _is_model(path: Path, root: Root) -> bool:
    if root.kind_of(path.name) is None or not path.is_file():
        return False
    return path.suffix.lower() != ".png" or holds_embedding(path)


def _escaped(stem: str) -> str:
    """For a glob: `[` would begin a set."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in stem)
