"""Looking through folders: what is new or changed is read, what is gone is forgotten; memory does not grow with the number of files."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from app.gallery.entry import SUFFIXES, Entry, Place, read_entry
from app.gallery.index import Index
from app.schema.errors import BadPicture

log = logging.getLogger(__name__)

BATCH = 200
"""Pictures that are written to the index at once."""
MOST_BAD = 10_000
_COPIED_FROM = (".png", ".webp", ".avif", ".jpeg")


@dataclass(frozen=True)
class Folder:
    """A folder whose pictures are in the gallery. 0 is the outputs folder."""

    number: int
    path: Path


@dataclass
class Progress:
    """How far the work is; written by the scanner, read by anybody."""

    running: bool = False
    looked_at: int = 0
    read: int = 0


class Scanner:
    """Brings an index up to date; one thread at a time."""

    def __init__(self, index: Index, progress: Progress, stopping: Callable[[], bool]) -> None:
        self._index, self._progress, self._stopping = index, progress, stopping
        self._bad: set[Place] = set()

    def scan(self, folder: Folder) -> None:
        """The whole folder. One that is not there (a disk that is not mounted) keeps what the index knows of it."""
        if not folder.path.is_dir():
            if next(self._index.directories(folder.number), None) is not None:  # else nothing has been drawn yet
                log.warning("%s is not there; what the gallery knows of it stays", folder.path)
            return
        seen: set[str] = set()
        for directory in self._below(folder, "", seen):
            if self._stopping():
                return
            self._take(folder, directory)
        for directory in list(self._index.directories(folder.number)):
            if directory not in seen:
                self._index.remove_directory(folder.number, directory)

    def look(self, folder: Folder, paths: Iterable[Path]) -> None:
        """Only these files and directories, which have changed, come or gone."""
        entries: list[Entry] = []
        for path in paths:
            relative = path.relative_to(folder.path).as_posix()
            directory, _, name = relative.rpartition("/")
            if any(part.startswith(".") for part in relative.split("/")) or self._stopping():
                continue
            if path.is_dir():
                if not path.is_symlink():
                    for below in self._below(folder, relative, set()):
                        self._take(folder, below)
            elif path.suffix.lower() in SUFFIXES:
                place = _place(folder, directory, path)
                if place is None or _is_copy(path.name, partial(_exists, path.parent)):
                    self._index.remove(folder.number, directory, [name])
                else:
                    entries += self._read(folder, place)
            elif not path.exists():
                self._index.remove_directory(folder.number, relative)
        self._put(entries)

    def _below(self, folder: Folder, start: str, seen: set[str]) -> Iterator[str]:
        """The directory and all below it, hidden ones and links left out."""
        stack = [start]
        while stack:
            directory = stack.pop()
            seen.add(directory)
            yield directory
            try:
                with os.scandir(folder.path / directory) as entries:
                    names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]
            except OSError as error:
                log.warning("%s cannot be read: %s", folder.path / directory, error)
                continue
            stack += [f"{directory}/{name}" if directory else name for name in sorted(names)]

    def _take(self, folder: Folder, directory: str) -> None:
        """One directory's own files."""
        known = self._index.files_in(folder.number, directory)
        try:
            present = dict(_files(folder.path / directory))
        except OSError:
            return
        present = {name: state for name, state in present.items() if not _is_copy(name, present.__contains__)}
        if gone := known.keys() - present.keys():
            self._index.remove(folder.number, directory, gone)
        entries: list[Entry] = []
        for name, (size, modified) in present.items():
            self._progress.looked_at += 1
            if known.get(name) == (size, modified):
                continue
            if self._stopping():
                break
            place = Place(folder=folder.number, directory=directory, name=name, size_bytes=size, modified_ns=modified)
            entries += self._read(folder, place)
            if len(entries) >= BATCH:
                self._put(entries)
                entries = []
        self._put(entries)

    def _read(self, folder: Folder, place: Place) -> list[Entry]:
        """The file's entry; nothing for one that cannot be read, which is then left alone until it changes."""
        if place in self._bad:
            return []
        try:
            return [read_entry(folder.path, place)]
        except BadPicture as error:
            log.info("%s is not in the gallery: %s", place.relative, error)
            if len(self._bad) < MOST_BAD:
                self._bad.add(place)
            self._index.remove(folder.number, place.directory, [place.name])
            return []

    def _put(self, entries: list[Entry]) -> None:
        if entries:
            self._index.put(entries)
            self._progress.read += len(entries)


def _files(directory: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") or PurePath(entry.name).suffix.lower() not in SUFFIXES or not _is_text(entry.name):
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_file(follow_symlinks=False):
                yield entry.name, (state.st_size, state.st_mtime_ns)


def _place(folder: Folder, directory: str, path: Path) -> Place | None:
    """Where the file lies; None if it is not there, or no file."""
    try:
        if path.is_symlink() or not path.is_file() or not _is_text(path.name):
            return None
        state = path.stat()
    except OSError:
        return None
    return Place(folder=folder.number, directory=directory, name=path.name, size_bytes=state.st_size, modified_ns=state.st_mtime_ns)


def _exists(directory: Path, name: str) -> bool:
    return (directory / name).exists()


def _is_text(name: str) -> bool:
    """Whether a name is Unicode: Linux allows any bytes, JSON and SQLite do not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_copy(name: str, exists: Callable[[str], bool]) -> bool:
    """Whether the file is the smaller copy that is saved beside a large picture: that one is shown."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    if suffix != ".jpg":
        return False
    return any(exists(stem + other) for other in _COPIED_FROM) or (stem.endswith("-small") and exists(stem.removesuffix("-small") + suffix))
