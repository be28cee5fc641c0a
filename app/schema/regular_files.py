"""Opens files that somebody else put there: whole files only, never a pipe, a socket or a device, at which a reader waits for ever."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotRegular(OSError):
    """What has the name of a file and is none."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file but a pipe, a socket or a device", str(path))


def open_regular(path: Path) -> BufferedReader:
    """Opens a file to read its bytes, at once whatever it is. NotRegular for what is no file, OSError as `open` raises it."""
    waits_not = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    number = os.open(path, os.O_RDONLY | waits_not)
    try:
        kind = os.fstat(number).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise NotRegular(path)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise
