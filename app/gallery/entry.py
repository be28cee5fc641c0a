"""What the index knows of one picture file, and how that is read from the file."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from app.metadata import read_picture
from app.metadata.infotext import split_infotext
from app.schema.errors import BadPicture

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif"))
MAX_TEXT_CHARS = 20_000
"""Of a prompt in the index; the file has the rest."""
MAX_SIDECAR_BYTES = 1024**2
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
    """Reads one file, without decoding pixels. BadPicture for what is no picture or cannot be read."""
    path = root / place.relative
    data = _bytes(path)
    record = read_picture(data)
    prompt, negative, pairs = split_infotext(record.text or _sidecar(path))
    said = dict(pairs)
    return Entry(
        place=place,
        content=hashlib.sha256(data).digest(),
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


def infotext_of(path: Path) -> str:
    """How a picture file was made, from the file or the text beside it; BadPicture as `read_entry`."""
    return read_picture(_bytes(path)).text or _sidecar(path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"{path.name} cannot be read: {error.strerror}.") from error


def _sidecar(path: Path) -> str:
    """The text that A1111's option save_txt puts beside a picture; empty without one."""
    beside = path.with_suffix(".txt")
    try:
        if beside.stat().st_size > MAX_SIDECAR_BYTES:
            return ""
        return beside.read_text("utf-8", "replace")
    except OSError:
        return ""
