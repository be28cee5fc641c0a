"""Hashes by which people and programs name model files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 4 * 2**20
_AUTOV1_OFFSET_BYTES = 0x100000
_AUTOV1_LENGTH_BYTES = 0x10000

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes in all."""


class HashingCancelled(Exception):
    """The hashing was stopped before the end of the file, because somebody wanted it so."""


def sha256_of(path: Path, on_progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> str:
    """Lower-case hex sha256 of a whole file, read in chunks.

    `cancelled` is asked between chunks and may wait there. Raises HashingCancelled when it says so, OSError when the file
    cannot be read.
    """
    digest, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        total_bytes, done_bytes = path.stat().st_size, 0
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done_bytes += count
            if on_progress is not None:
                on_progress(done_bytes, max(total_bytes, done_bytes))
            if cancelled is not None and cancelled():
                raise HashingCancelled(path.name)
    return digest.hexdigest()


def tensors_sha256_of(path: Path) -> str:
    """Lower-case hex sha256 of a safetensors file without its header (kohya's `sshs_model_hash`): the same whatever the metadata."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while data := file.read(CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()


def short_hash(sha256: str) -> str:
    """What A1111 shows of a sha256, and Civitai calls AutoV2: its first ten digits."""
    return sha256[:10]


def autov1_of(path: Path) -> str | None:
    """The 8-digit hash of A1111 in 2022: sha256 of 64 KiB at 1 MiB; None for files that end before (their hash is that of nothing)."""
    with path.open("rb") as file:
        file.seek(_AUTOV1_OFFSET_BYTES)
        data = file.read(_AUTOV1_LENGTH_BYTES)
    return hashlib.sha256(data).hexdigest()[:8] if data else None
