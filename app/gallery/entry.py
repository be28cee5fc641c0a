"""What the index knows of one picture file, and how that is read from the file."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from app.metadata import Limits, PictureRecord, read_picture
from app.metadata.dialects.file_names import FileNames
from app.metadata.infotext import split_infotext
from app.metadata.params_chunk import KEYWORD
from app.schema.errors import BadPicture

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif"))
MAX_TEXT_CHARS = 20_000
"""Of a prompt in the index; the file has the rest."""
LIMITS = Limits(hidden_pixels=4 * 1024**2)
"""Pictures without any text are decoded, to look for one hidden in their pixels; larger ones are not, for the sake of photographs."""
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file lies: the number of its folder among those that are indexed, the path below it, its state on the disk."""

    folder: int
    directory: str
    """Below the folder, with `/`; empty for the folder itself."""
    name: str
    size_bytes: int
    modified_ns: int

    @property
    def relative(self) -> str:
        """The path below the folder, with `/`."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One indexed picture."""

    place: Place
    content: bytes = field(repr=False)
    """sha256 of the file: marks belong to it, wherever the file goes."""
    format: str
    width: int
    height: int
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    sampler: str = ""
    seed: str = ""
    loras: tuple[str, ...] = ()


def read_entry(root: Path, place: Place) -> Entry:
    """Reads one file. BadPicture for what is no picture or cannot be read."""
    path = root / place.relative
    record = read_picture(path, LIMITS)
    prompt, negative, pairs = split_infotext(_infotext(record))
    said = dict(pairs)
    return Entry(
        place=place,
        content=_digest(path),
        format=record.format.lower(),
        width=record.width,
        height=record.height,
        prompt=prompt[:MAX_TEXT_CHARS],
        negative_prompt=negative[:MAX_TEXT_CHARS],
        model=said.get("Model", "")[:200],
        sampler=said.get("Sampler", "")[:100],
        seed=said.get("Seed", "")[:24],
        loras=tuple(dict.fromkeys(_LORA.findall(prompt[:MAX_TEXT_CHARS])))[:50],
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a picture was made."""

    infotext: str
    """In A1111's words, whatever program made it; from the file or a text beside it."""
    usable: str
    """The same with the prompts' weights in A1111's syntax, where the program has its own."""
    chunk: str
    """The JSON of all settings that PNG files of ours have; empty without it."""


def told_by(path: Path) -> Told:
    """What a picture file says of itself; BadPicture as `read_entry`."""
    record = read_picture(path)
    infotext = _infotext(record)
    return Told(infotext=infotext, usable=record.usable if infotext else "", chunk=record.items.get(KEYWORD, ""))


def _infotext(record: PictureRecord) -> str:
    """The settings; a seed that only the file's name tells is none."""
    if record.recipe is not None and record.recipe.dialect == FileNames.name:
        return ""
    return record.infotext


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise BadPicture(f"{path.name} cannot be read: {error.strerror}.") from error
