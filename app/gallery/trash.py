"""Pictures in the trash of their folder: the text beside a picture goes along, and its content is noted, by which its marks find it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app import trash

_BESIDE = (".txt",)
"""Files of the same name that go along."""


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """One picture in the trash."""

    place: trash.Trashed
    folder: int
    content: bytes


def put(root: Path, relative: str, content: bytes) -> str:
    """Moves a picture (and the text beside it) into the folder's trash; its key there. CannotMove leaves it where it was."""
    beside = (path for suffix in _BESIDE if (path := (root / relative).with_suffix(suffix)).is_file())
    return trash.put(root, relative, beside, {"content": content.hex()})


def listed(root: Path, folder: int) -> Iterator[Trashed]:
    """What is in a folder's trash; entries whose note says no content are left out."""
    for place in trash.listed(root):
        try:
            content = bytes.fromhex(str(place.about["content"]))
        except (KeyError, ValueError):
            continue
        yield Trashed(place=place, folder=folder, content=content)
