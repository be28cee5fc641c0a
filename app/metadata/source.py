"""A file read piece by piece: a picture's texts are a few kilobytes of its megabytes."""

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_HEAD_BYTES = 32 * 1024
"""Most files have all their texts in there, so one call to the system reads them."""


if hasattr(os, "pread"):
    _read_at = os.pread
else:  # Windows

    def _read_at(file: int, length: int, start: int, /) -> bytes:
        os.lseek(file, start, os.SEEK_SET)
        return os.read(file, length)


class Data(Protocol):
    """Bytes, or something that gives slices of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> bytes: ...


class FileData:
    """The bytes of an open file by slices. A file that gets shorter meanwhile gives shorter slices, which its reader calls cut off."""

    def __init__(self, path: Path) -> None:
        """OSError if it cannot be opened."""
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._length = os.fstat(self._file).st_size
        self._head = b""
        try:
            self._head = self._read(0, min(_HEAD_BYTES, self._length))
        except OSError:  # a folder can be opened and not read
            os.close(self._file)
            raise

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: slice, /) -> bytes:
        start, stop, step = place.indices(self._length)
        assert step == 1, "slices of files have no gaps"
        return self._head[start:stop] if stop <= len(self._head) else self._read(start, stop)

    def _read(self, start: int, stop: int) -> bytes:
        """One call may give less than asked; an end gives nothing."""
        parts: list[bytes] = []
        while start < stop:
            part = _read_at(self._file, stop - start, start)
            if not part:
                break
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)
