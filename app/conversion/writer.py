"""A safetensors file written tensor by tensor, piece by piece; it has its name only when it is whole.

The format (https://huggingface.co/docs/safetensors): 8 bytes with the length of the header, the header as JSON, the numbers in order.
"""

import contextlib
import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from app.models.header import DTYPE_BITS
from app.schema.disk import CannotSave, DiskFull, is_full, partial_of

CHUNK_NUMBERS = 2**22
"""Numbers of a tensor worked on at once: 16 MiB in fp32."""
SAFE_NAMES: Mapping[torch.dtype, str] = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}  # fmt: skip
"""torch's number formats by their names in safetensors files."""
ALIGNMENT_BYTES = 8

OnProgress = Callable[[int, int], None]
"""Told (bytes written, bytes of the whole file) now and then; what it raises stops the work, and nothing is left of it."""


class CannotWrite(CannotSave):
    """A model file that could not be written: no permission, or a file of that name is there."""

    code = "cannot_write"


@dataclass(frozen=True)
class Piece:
    """One tensor of the file to be."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    chunks: Callable[[], Iterable[Tensor]]
    """Its numbers in order, a part at a time, of any shape; cast to `dtype` when written."""

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * DTYPE_BITS[SAFE_NAMES[self.dtype]] // 8


def write_safetensors(
    path: Path, pieces: Sequence[Piece], metadata: Mapping[str, str], *, replace: bool = False, on_progress: OnProgress | None = None
) -> list[str]:
    """Writes the file under a hidden name beside its place and renames it; whatever goes wrong leaves what was there before.

    Gives the names of tensors that have numbers which are none (NaN) or too large for their format (infinite).
    Raises CannotWrite where a file of that name is there (unless `replace`) or the folder refuses it, DiskFull where there is no room.
    """
    header = _header(pieces, metadata)
    total = len(header) + sum(piece.nbytes for piece in pieces)
    if path.exists() and not replace:
        raise CannotWrite(f"There is a file {path.name} already. Choose another name, or ask for it to be replaced.")
    hidden = partial_of(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.unlink(missing_ok=True)  # of a work that was killed
        if shutil.disk_usage(path.parent).free < total:
            raise OSError(errno.ENOSPC, "no room")
    try:
        with _explained(path), hidden.open("wb") as file:
            broken = _write(file, header, pieces, total, on_progress)
            file.flush()
            os.fsync(file.fileno())
        with _explained(path):
            hidden.replace(path)
            _sync_folder(path.parent)
        return broken
    except BaseException:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise


def numbers(tensor: Tensor) -> Iterator[Tensor]:
    """A tensor's numbers in order, `CHUNK_NUMBERS` at a time."""
    flat = tensor.reshape(-1)
    for start in range(0, len(flat), CHUNK_NUMBERS):
        yield flat[start : start + CHUNK_NUMBERS]


def _header(pieces: Sequence[Piece], metadata: Mapping[str, str]) -> bytes:
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for piece in pieces:
        offsets = [place, place + piece.nbytes]
        table[piece.name] = {"dtype": SAFE_NAMES[piece.dtype], "shape": list(piece.shape), "data_offsets": offsets}
        place = offsets[1]
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def _write(file: BinaryIO, header: bytes, pieces: Sequence[Piece], total: int, on_progress: OnProgress | None) -> list[str]:
    """The names of tensors that are not finite."""
    done, broken = file.write(header), list[str]()
    for piece in pieces:
        begun = done
        for chunk in piece.chunks():
            written = chunk.to(piece.dtype)
            done += file.write(written.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            if piece.name not in broken[-1:] and not _finite(written):
                broken.append(piece.name)
            if on_progress is not None:
                on_progress(done, total)
        assert done - begun == piece.nbytes, piece.name
    return broken


def _finite(written: Tensor) -> bool:
    if not written.is_floating_point():
        return True
    return bool((written.float() if written.itemsize == 1 else written).isfinite().all())  # torch asks eight bits in vain


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"There is not enough room on the disk for {path.name}. Free some space and try again.") from error
        raise CannotWrite(f"{path.name} could not be written: {error.strerror or type(error).__name__}.") from error


def _sync_folder(folder: Path) -> None:
    """Makes the rename last through a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
