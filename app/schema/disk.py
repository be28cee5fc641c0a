"""A disk that does not take a file: the errors of everything here that writes one. And files that one process holds."""

import errno
import sys
from io import FileIO
from pathlib import Path

from app.schema.errors import DarkroomError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class CannotSave(DarkroomError):
    """A file that the disk does not take."""

    code = "cannot_save"
    status = 507


class DiskFull(CannotSave):
    """No space is left for a file."""

    code = "disk_full"


def is_full(error: OSError) -> bool:
    """Whether the system says that no space is left, on the disk, in the quota or in a file."""
    return error.errno in _FULL


def partial_of(path: Path) -> Path:
    """Under which hidden name a file is written until it is whole; one that is found there is what a killed work has left."""
    return path.with_name(f".{path.name}.partial")


def claim(path: Path) -> FileIO | None:
    """The file, held until it is closed or the process ends; None while another holds it."""
    file = path.open("ab", buffering=0)
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            file.close()
            return None
        # Else the disk knows no locks: be the only one, as a server nearly always is.
    return file
