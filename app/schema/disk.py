"""A disk that does not take a file: the errors of everything here that writes one."""

import errno
from pathlib import Path

from app.schema.errors import DarkroomError

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
