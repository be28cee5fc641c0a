"""Hashes by which people and programs name model files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from app.models.diffusers_folder import is_diffusers_folder, weight_files
from app.schema.regular_files import open_regular

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
    with open_regular(path) as file:
        total_bytes, done_bytes = path.stat().st_size, 0
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done_bytes += count
            if on_progress is not None:
                on_progress(done_bytes, max(total_bytes, done_bytes))
            if cancelled is not None and cancelled():
                raise HashingCancelled(path.name)
    return digest.hexdigest()


def checkpoint_sha256_of(path: Path, on_progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> str:
    """The sha256 of a checkpoint's file; for a diffusers folder what `sha256sum FILES | sha256sum` says in it.

    The files are those of weights that are read, in the order of their names, as in `unet/diffusion_pytorch_model.safetensors`.
    Raises as `sha256_of` does, and BadModelFile for a folder that is not complete.
    """
    if not is_diffusers_folder(path):
        return sha256_of(path, on_progress, cancelled)
    files = {file.relative_to(path).as_posix(): file for files in weight_files(path).values() for file in files}
    total_bytes, done_bytes = sum(file.stat().st_size for file in files.values()), 0
    lines = ""
    for name, file in sorted(files.items()):
        before = done_bytes

        def progress(done: int, _total: int, before: int = before) -> None:
            if on_progress is not None:
                on_progress(before + done, max(total_bytes, before + done))

        lines += f"{sha256_of(file, progress, cancelled)}  {name}\n"
        done_bytes += file.stat().st_size
    return hashlib.sha256(lines.encode()).hexdigest()


def tensors_sha256_of(path: Path) -> str:
    """Lower-case hex sha256 of a safetensors file without its header (kohya's `sshs_model_hash`): the same whatever the metadata."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while data := file.read(CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()


def short_hash(sha256: str) -> str:
    """What A1111 shows of a sha256, and Civitai calls AutoV2: its first ten digits."""
    return sha256[:10]


def autov1_of(path: Path) -> str | None:
    """The 8-digit hash of A1111 in 2022: sha256 of 64 KiB at 1 MiB; None for files that end before (their hash is that of nothing).

    A diffusers folder has none.
    """
    if is_diffusers_folder(path):
        return None
    with open_regular(path) as file:
        file.seek(_AUTOV1_OFFSET_BYTES)
        data = file.read(_AUTOV1_LENGTH_BYTES)
    return hashlib.sha256(data).hexdigest()[:8] if data else None
