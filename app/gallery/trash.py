"""The trash: pictures that were deleted lie in a hidden folder beside the others, and can be brought back."""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from app.schema.errors import DarkroomError, NotFound

log = logging.getLogger(__name__)

FOLDER = ".trash"
_NOTE = "deleted.json"
_BESIDE = (".txt",)
"""Files of the same name that go along."""


class CannotMove(DarkroomError):
    """A file that the disk does not let go."""

    code = "cannot_move"
    status = 507


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """One picture in the trash."""

    key: str
    folder: int
    relative: str
    """Where it was, below the folder."""
    content: bytes
    deleted: float
    """Seconds since 1970."""
    path: Path
    """Where it is now."""


def put(root: Path, relative: str, content: bytes) -> str:
    """Moves a picture (and the text beside it) into the folder's trash; its key there. CannotMove leaves it where it was."""
    source, key = root / relative, uuid4().hex
    place = root / FOLDER / key
    with _explained(source.name):
        if not source.is_file():
            raise NotFound(f"{source.name} is not there any more.")
        place.mkdir(parents=True)
        note = {"path": relative, "content": content.hex(), "deleted": time.time()}
        (place / _NOTE).write_text(json.dumps(note), "utf-8")
        try:
            source.rename(place / source.name)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        for suffix in _BESIDE:
            if (beside := source.with_suffix(suffix)).is_file():
                beside.rename(place / beside.name)
    log.info("%s was put into the trash", relative)
    return key


def listed(root: Path, folder: int) -> Iterator[Trashed]:
    """What is in a folder's trash; entries without a readable note are left out."""
    try:
        places = list(os.scandir(root / FOLDER))
    except OSError:
        return
    for place in places:
        if (found := _read(Path(place.path), folder)) is not None:
            yield found


def find(root: Path, folder: int, key: str) -> Trashed:
    """One picture in the trash; NotFound."""
    found = _read(root / FOLDER / key, folder) if key.isalnum() and len(key) == 32 else None
    if found is None:
        raise NotFound("That picture is not in the trash any more.")
    return found


def restore(root: Path, one: Trashed) -> Path:
    """Puts a picture back to where it was, or beside what has its name by now; its path."""
    target = root / one.relative
    with _explained(target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        target = _free(target)
        for suffix in _BESIDE:
            if (beside := one.path.with_suffix(suffix)).is_file():
                beside.rename(target.with_suffix(suffix))
        one.path.rename(target)
        shutil.rmtree(one.path.parent, ignore_errors=True)
    return target


def destroy(one: Trashed) -> None:
    """Deletes for good."""
    with _explained(one.path.name):
        shutil.rmtree(one.path.parent)


def _free(target: Path) -> Path:
    number = 0
    wanted = target
    while target.exists():
        number += 1
        target = wanted.with_stem(f"{wanted.stem}-{number}")
    return target


def _read(place: Path, folder: int) -> Trashed | None:
    try:
        note = json.loads((place / _NOTE).read_text("utf-8"))
        relative = str(note["path"])
        path = place / Path(relative).name
        # The note is a file that anybody may have edited: it must not lead out of the folder.
        if not path.is_file() or Path(relative).is_absolute() or ".." in Path(relative).parts:
            return None
        deleted, content = float(note["deleted"]), bytes.fromhex(note["content"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Trashed(key=place.name, folder=folder, relative=relative, content=content, deleted=deleted, path=path)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotMove(f"{name} could not be moved: {error.strerror or error}.") from error
