"""The trash: files that were thrown away lie in a hidden folder beside the others, and can be brought back.

One file is thrown away at a time, with those that belong to it; a note beside it says where it was and what else is to be known of it.
"""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from app.schema.errors import DarkroomError, NotFound

log = logging.getLogger(__name__)

FOLDER = ".trash"
_NOTE = "deleted.json"


class CannotMove(DarkroomError):
    """A file that the disk does not let go."""

    code = "cannot_move"
    status = 507


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """One file in the trash."""

    key: str
    relative: str
    """Where it was, below the folder."""
    about: Mapping[str, object]
    """What was noted of it."""
    deleted: float
    """Seconds since 1970."""
    path: Path
    """Where it is now."""

    @property
    def beside(self) -> list[Path]:
        """The files that went along."""
        return [path for path in sorted(self.path.parent.iterdir()) if path.name not in (_NOTE, self.path.name)]


def put(root: Path, relative: str, beside: Iterable[Path] = (), about: Mapping[str, object] | None = None) -> str:
    """Moves a file and those that belong to it (their names begin with its stem) into the folder's trash; its key there.

    CannotMove leaves all of them where they were.
    """
    source, key = root / relative, uuid4().hex
    place = root / FOLDER / key
    with _explained(source.name):
        if not source.is_file():
            raise NotFound(f"{source.name} is not there any more.")
        place.mkdir(parents=True)
        moved: list[tuple[Path, Path]] = []
        try:
            (place / _NOTE).write_text(json.dumps({**(about or {}), "path": relative, "deleted": time.time()}), "utf-8")
            for path in (source, *beside):
                path.rename(place / path.name)
                moved.append((path, place / path.name))
        except OSError:
            for before, now in moved:
                with suppress(OSError):
                    now.rename(before)
            shutil.rmtree(place, ignore_errors=True)
            raise
    log.info("%s was put into the trash", relative)
    return key


def listed(root: Path) -> Iterator[Trashed]:
    """What is in a folder's trash; entries without a readable note are left out."""
    try:
        places = list(os.scandir(root / FOLDER))
    except OSError:
        return
    for place in places:
        if (found := _read(Path(place.path))) is not None:
            yield found


def restore(root: Path, one: Trashed) -> Path:
    """Puts a file and its company back to where they were, or beside what has its name by now; its path."""
    target = root / one.relative
    with _explained(target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        target = _free(target)
        for path in one.beside:
            back = target.with_name(target.stem + path.name.removeprefix(one.path.stem))
            if not back.exists():
                path.rename(back)
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


def _read(place: Path) -> Trashed | None:
    try:
        note = json.loads((place / _NOTE).read_text("utf-8"))
        relative, deleted = str(note.pop("path")), float(note.pop("deleted"))
        path = place / Path(relative).name
        # The note is a file that anybody may have edited: it must not lead out of the folder.
        if not path.is_file() or Path(relative).is_absolute() or ".." in Path(relative).parts:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Trashed(key=place.name, relative=relative, about=note, deleted=deleted, path=path)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotMove(f"{name} could not be moved: {error.strerror or error}.") from error
