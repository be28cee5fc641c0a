"""Pictures and small files on disk: whole or not there, numbered as A1111 numbers them, never overwritten."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import FileIO
from itertools import count
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from app.schema.disk import CannotSave, DiskFull, is_full
from app.schema.errors import NotFound
from app.schema.params import Mode

if sys.platform == "win32":
    pass
else:
    import fcntl

FOLDERS: Mapping[Mode, str] = MappingProxyType({"txt2img": "txt2img-images", "img2img": "img2img-images"})
GRID_FOLDERS: Mapping[Mode, str] = MappingProxyType({"txt2img": "txt2img-grids", "img2img": "img2img-grids"})
EXTRAS_FOLDER = "extras-images"
TEMPORARY = ".tmp"
_MARK = re.compile(r"\.(?:[a-z]+-)?\d{4,6}\.tmp|\.[0-9a-f]{32}\.tmp|\..+\.\d+\.tmp")
"""Hidden files that are, or were, being written."""
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EINVAL})


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns an OSError of the block into DiskFull or CannotSave, one sentence about `what`."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"The disk is full: {what} could not be saved. Free some space and try again.") from error
        reason = error.strerror or type(error).__name__
        raise CannotSave(f"{what[:1].upper()}{what[1:]} could not be saved: {reason}.") from error


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` whole in place of what was there, one thread at a time; OSError leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb", buffering=0) as file:
            _write(file, data)
        temporary.replace(path)
    except OSError:
        _remove(temporary)
        raise
    _sync_folder(path.parent)


@dataclass(frozen=True, kw_only=True)
class FileName:
    """How a picture's file is to be called: `PREFIX-NUMBER-STEM.SUFFIX`, the number being the folder's next one."""

    stem: str
    """Safe already (app/jobs/safe_names.py); may be empty if there is a number."""
    suffix: str = ".png"
    prefix: str = ""
    digits: int = 5
    numbered: bool = True
    replaces: bool = False
    """Without a number: whether a file of that name is replaced; else the name gets `-1`, `-2` ... at its end."""

    def with_number(self, number: int) -> str:
        """The whole name under that number."""
        return "-".join(part for part in (self.prefix, f"{number:0{self.digits}}", self.stem) if part) + self.suffix

    def mark(self, number: int) -> str:
        """Name of the hidden file that holds the number while the picture is written."""
        return f".{self.prefix}{'-' if self.prefix else ''}{number:0{self.digits}}{TEMPORARY}"

    def number_in(self, name: str) -> int | None:
        """The number that a file of this kind begins with (a hidden one is being written); longer digits are dates and such."""
        lead = f"{re.escape(self.prefix)}-" if self.prefix else ""
        match = re.match(rf"\.?{lead}(\d{{{self.digits},{max(6, self.digits)}}})(?!\d)", name)
        return int(match[1]) if match else None


class Outputs:
    """The folder of pictures: `txt2img-images/YYYY-MM-DD/00000-SEED.png` unless the options say otherwise, and likewise for img2img."""

    def __init__(self, root: Path, today: Callable[[], date] = date.today) -> None:
        self.root, self._today = root, today

    def clean(self) -> int:
        """Removes what a crash left half-written; files that a living process is writing stay. Returns how many went."""
        left = [path for path in self.root.rglob(f".*{TEMPORARY}") if _MARK.fullmatch(path.name)]
        return sum(_remove(path) for path in left if not _being_written(path))

    def save(self, mode: Mode, seed: int, data: bytes, suffix: str = ".png", ending: str = "") -> str:
        """Saves one finished picture under the day's next free number; its path relative to the root, with `/`. Raises as `save_in`."""
        folder = self.root / FOLDERS[mode] / self._today().isoformat()
        return self.relative(self.save_in(folder, FileName(stem=f"{seed}{ending}", suffix=suffix), data))

    def save_in(self, folder: Path, name: FileName, data: bytes, record: Callable[[Path], None] = lambda path: None) -> Path:
        """Saves one finished picture in any folder; the file's path.

        The bytes are on the disk when this returns. DiskFull or CannotSave leaves nothing behind. `record` is told the path when the
        bytes are on the disk and before the file has its name (again, should somebody else have taken the name meanwhile): so what is
        recorded and there is whole, and what is there is recorded, wherever the program dies.
        """
        with explained("the picture"):
            is_new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            save = _save_numbered if name.numbered or not name.stem else _save_named
            final = save(folder, name, data, record)
            _sync_folder(folder)
            if is_new:
                _sync_folder(folder.parent)
        return final

    def has(self, relative: str) -> bool:
        """Whether a saved file is there."""
        path = self.path(relative)
        return path.is_file() and path.stat().st_size > 0  # an empty one is a name that a dying program had just claimed

    def relative(self, path: Path) -> str:
        """A saved file's path below the root, with `/`."""
        return path.relative_to(self.root).as_posix()

    def path(self, relative: str) -> Path:
        """Where a picture lies that `save` named; NotFound for a path that leaves the folder."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise NotFound("That picture is not in the outputs folder.")
        return path

    def read(self, relative: str) -> bytes:
        """The file's bytes; NotFound when it was moved or deleted since."""
        try:
            return self.path(relative).read_bytes()
        except OSError as error:
            raise NotFound(f"The picture {relative} is no longer in the outputs folder.") from error


def _save_numbered(folder: Path, name: FileName, data: bytes, record: Callable[[Path], None]) -> Path:
    temporary, file, number = _reserve(folder, name)
    final = folder / name.with_number(number)
    try:
        # The file stays open, hence locked, until it has its name: else a process that starts could clean it away.
        with file:
            _write(file, data)
            record(final)
            if sys.platform != "win32":
                publish(temporary, final)
        if sys.platform == "win32":  # an open file cannot be renamed there, nor cleaned away
            publish(temporary, final)
    finally:
        _remove(temporary)
    return final


def _save_named(folder: Path, name: FileName, data: bytes, record: Callable[[Path], None]) -> Path:
    final = folder / f"{name.stem}{name.suffix}"
    if name.replaces:
        record(final)
        replace_file(final, data)
        return final
    temporary = folder / f".{uuid4().hex}{TEMPORARY}"
    try:
        with temporary.open("xb", buffering=0) as file:
            _write(file, data)
        for following in count(1):
            try:
                if not final.exists():
                    record(final)
                    publish(temporary, final)
                    return final
            except FileExistsError:
                pass  # taken between the look and the name
            final = folder / f"{name.stem}-{following}{name.suffix}"
    finally:
        _remove(temporary)
    raise AssertionError("count() does not end")


def publish(temporary: Path, final: Path) -> None:
    """Gives a finished file its name; FileExistsError if something has that name already."""
    if sys.platform == "win32":
        temporary.rename(final)  # refuses an existing name there
        return
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network disks have no hard links: claim the name, then put the file over the empty claim.
        final.open("xb").close()
        try:
            temporary.replace(final)
        except OSError:
            _remove(final)
            raise


def _reserve(folder: Path, name: FileName) -> tuple[Path, FileIO, int]:
    """(hidden file's path, the file, number): the next number after the folder's largest, held by the hidden file.

    Two names of one number differ in their seeds, so the final names alone would let two savers take the same number.
    """
    for number in count(max(_numbers(folder, name), default=-1) + 1):
        temporary = folder / name.mark(number)
        try:
            file = temporary.open("xb", buffering=0)
        except FileExistsError:
            continue
        _lock(file)
        # Another saver may have finished this number after the folder was read and before its hidden file went.
        if not any(not path.name.startswith(".") and name.number_in(path.name) == number for path in folder.iterdir()):
            return temporary, file, number
        file.close()
        _remove(temporary)
    raise AssertionError("count() does not end")


def _numbers(folder: Path, name: FileName) -> Iterator[int]:
    for path in folder.iterdir():
        if (number := name.number_in(path.name)) is not None:
            yield number


def _write(file: FileIO, data: bytes) -> None:
    """All of `data`, safely on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
    os.fsync(file.fileno())


def _remove(path: Path) -> bool:
    with contextlib.suppress(OSError):
        path.unlink()
        return True
    return False


def _sync_folder(folder: Path) -> None:
    """Makes new names in the folder survive a power cut, where the system can."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):  # some network disks refuse it; the file itself is safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lock(file: FileIO) -> None:
    """Marks the file as being written for as long as it is open."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # a disk without locks: see _being_written
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _being_written(path: Path) -> bool:
    """Whether a living process holds the file; False where the system cannot say."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False
