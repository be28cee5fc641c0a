"""Finds the model files below a folder."""

import functools
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.models.diffusers_folder import MARK, is_diffusers_folder, state_of
from app.models.folders import Kind, Root
from app.models.png_embedding import holds_embedding

log = logging.getLogger(__name__)

_DEEPEST = 32


@functools.lru_cache(maxsize=10_000)
def _once(level: int, message: str) -> None:
    """Into the log; the same is not said again at every scan."""
    log.log(level, message)


@dataclass(frozen=True)
class FoundFile:
    """A model file as the file system describes it, or a diffusers folder."""

    kind: Kind
    path: Path
    """Absolute, not resolved: a link keeps its own name."""
    filename: str
    """Path below the root, with `/`."""
    size_bytes: int
    mtime_ns: int
    is_folder: bool = False

    @property
    def name(self) -> str:
        """Its name without the ending; a folder's has none, whatever dots are in it."""
        return self.path.name if self.is_folder else self.path.stem

    @property
    def stamp(self) -> str:
        """Changes when the file does."""
        return stamp_of(self.size_bytes, self.mtime_ns)


def stamp_of(size_bytes: int, mtime_ns: int) -> str:
    """The text by which a file's state is compared."""
    return f"{size_bytes}:{mtime_ns}"


def scan(root: Root) -> Iterator[FoundFile]:
    """All model files below a root, in no order; a diffusers folder below a root of checkpoints is one of them, and not looked into.

    Links to files and diffusers folders are followed; links to other folders are not, so that no link brings in half a disk (nor goes
    round in circles).
    What cannot be read is passed over with a line in the log.
    """
    folder = root.folder.absolute()
    if folder.is_dir():
        yield from _scan(root, folder, "", 0)


def _scan(root: Root, folder: Path, prefix: str, depth: int) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        _once(logging.WARNING, f"the folder {folder} cannot be read: {error}")
        return
    whole = root.kind == "checkpoint" and any(entry.name == MARK for entry in found) and is_diffusers_folder(folder)
    if whole and (file := _folder(folder, prefix.rstrip("/") or folder.name)) is not None:
        yield file
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            if not whole and depth < _DEEPEST and not entry.name.startswith("."):
                yield from _scan(root, folder / entry.name, f"{prefix}{entry.name}/", depth + 1)
        elif (kind := root.kind_of(entry.name)) is not None:
            if (file := _file(kind, folder / entry.name, prefix + entry.name)) is not None:
                yield file
        elif entry.is_symlink() and _leads_to_folder(folder / entry.name):
            if root.kind == "checkpoint" and is_diffusers_folder(folder / entry.name):
                if (file := _folder(folder / entry.name, prefix + entry.name)) is not None:
                    yield file
                continue
            link = folder / entry.name
            _once(logging.INFO, f"{link} is a link to a folder and is not followed; link its files, or name it with --ckpt-dir")


def _leads_to_folder(link: Path) -> bool:
    """Whether it leads to a folder that can be entered: one that leads to itself, or to somebody else's folder, is no entry of ours."""
    try:
        return stat.S_ISDIR(link.stat().st_mode) and os.access(link, os.R_OK | os.X_OK)
    except OSError as error:
        log.debug("the link %s leads nowhere: %s", link, error)
        return False


def single(root: Root, path: Path) -> FoundFile | None:
    """One file outside all folders, or a diffusers folder; None if it is no model file."""
    if root.kind == "checkpoint" and is_diffusers_folder(path):
        return _folder(path.absolute(), path.absolute().name)
    kind = root.kind_of(path.name)
    return _file(kind, path.absolute(), path.name) if kind else None


def _file(kind: Kind, path: Path, filename: str) -> FoundFile | None:
    try:
        filename.encode()
        state = path.stat()
    except (OSError, UnicodeEncodeError) as error:
        _once(logging.WARNING, f"the file {str(path)!r} cannot be listed: {error}")
        return None
    if not stat.S_ISREG(state.st_mode) or (path.suffix.lower() == ".png" and not holds_embedding(path)):
        return None
    return FoundFile(kind, path, filename, state.st_size, state.st_mtime_ns)


def _folder(path: Path, filename: str) -> FoundFile | None:
    try:
        filename.encode()
        return FoundFile("checkpoint", path, filename, *state_of(path), is_folder=True)
    except (OSError, UnicodeEncodeError) as error:
        _once(logging.WARNING, f"the folder {str(path)!r} cannot be listed: {error}")
        return None
