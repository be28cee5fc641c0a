"""What lies beside a model file: its preview picture, and the notes of A1111 (`NAME.json`) and Civitai Helper (`NAME.civitai.info`)."""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.models.facts import ModelFile
from app.models.scan import stamp_of
from app.schema.disk import CannotSave, DiskFull, is_full
from app.schema.errors import DarkroomError

PREVIEWS = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
"""In the order in which they are chosen."""
NOTES = ".json"
CIVITAI = ".civitai.info"
_ALL = (*PREVIEWS, NOTES, CIVITAI)


def path_beside(file: ModelFile, ending: str) -> Path:
    """Where a file's notes or preview lie, by the ending of those."""
    return file.path.with_name(file.name + ending)


class InTheWay(DarkroomError):
    """A folder that has the name of a file that is to be written."""

    code = "in_the_way"
    status = 409


def write_beside(path: Path, data: bytes) -> None:
    """Writes a file beside a model; a reader sees the old one or the new one.

    DiskFull, CannotSave where the folder takes no file, InTheWay where a folder has its name.
    """
    if path.is_dir():
        raise InTheWay(f"A folder with the name {path.name} lies beside the model. Rename or remove it.")
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with fresh.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        kind = DiskFull if is_full(error) else CannotSave
        raise kind(f"{path.name} beside the model cannot be written: {error.strerror or error}.") from error


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The files beside one model file, as they were when the folder was looked at."""

    preview: str | None = None
    preview_stamp: str = ""
    """Changes when the picture does."""
    notes_stamp: str = "-"
    civitai_stamp: str = "-"

    @property
    def stamp(self) -> str:
        """Changes when one of the texts does."""
        return f"{self.notes_stamp}:{self.civitai_stamp}"


class Folders:
    """Looks at each folder once; for one pass over many model files."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, str]] = {}

    def beside(self, file: ModelFile) -> Beside:
        """What lies beside a model file, or beside a diffusers folder."""
        folder, name = os.path.split(file.path)  # thousands of files: Path is ten times slower
        there = self._known.get(folder)
        if there is None:
            there = self._known[folder] = _listed(folder)
        stem = file.name
        is_picture = name.lower().endswith(".png")  # with an embedding in it
        found = name if is_picture else next((stem + end for end in PREVIEWS if stem + end in there), None)
        return Beside(
            preview=f"{folder}{os.sep}{found}" if found else None,
            preview_stamp=there.get(found, "") if found else "",
            notes_stamp=there.get(stem + NOTES, "-"),
            civitai_stamp=there.get(stem + CIVITAI, "-"),
        )


def _listed(folder: str) -> Mapping[str, str]:
    """Names of pictures and notes in a folder, with the stamp of each."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_ALL):
                    with suppress(OSError):  # a link that leads nowhere, say to itself
                        state = entry.stat()
                        if stat.S_ISREG(state.st_mode):
                            found[entry.name] = stamp_of(state.st_size, state.st_mtime_ns)
    except OSError:  # it went meanwhile; the next look through the folders will say so
        return found
    return found
