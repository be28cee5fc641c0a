"""All hashes by which sites name a model file, computed in one reading of it, in the background."""

import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from blake3 import blake3

from app.models.catalog import Catalog
from app.models.facts import ModelFile
from app.models.hashes import CHUNK_BYTES, HashingCancelled, Progress, autov1_of
from app.models.scan import stamp_of
from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

log = logging.getLogger(__name__)

_AUTOV2_CHARS, _AUTOV3_CHARS = 10, 12
State = Literal["unknown", "waiting", "reading", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """A file's hashes as Civitai names them, in lower-case hex digits."""

    autov1: str | None
    """sha256 of 64 KiB at 1 MiB, 8 digits; None for a file that ends before."""
    autov2: str
    """The first 10 digits of the sha256."""
    autov3: str | None
    """The first 12 digits of the sha256 of the tensors without the header (kohya's `sshs_model_hash`); of safetensors files alone."""
    sha256: str
    crc32: str
    blake3: str


@dataclass(frozen=True, kw_only=True)
class HashState:
    """How far a file's hashes are."""

    state: State = "unknown"
    done_bytes: int = 0
    total_bytes: int = 0
    hashes: Hashes | None = None
    problem: str | None = None
    """One sentence, where the file could not be read."""


def hashes_of(path: Path, on_progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> Hashes:
    """All hashes in one reading of a file.

    `on_progress` gets the bytes done and in all. Raises HashingCancelled when `cancelled` says so, OSError when the file cannot be read.
    """
    whole, tensors, other, crc = hashlib.sha256(), hashlib.sha256(), blake3(), 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    total_bytes, done_bytes = path.stat().st_size, 0
    with open_regular(path) as file:
        is_plain = path.suffix.lower() == ".safetensors"
        begin = 8 + int.from_bytes(file.read(8), "little") if is_plain else 0
        file.seek(0)
        while count := file.readinto(buffer):
            data = buffer[:count]
            whole.update(data)
            other.update(data)
            crc = zlib.crc32(data, crc)
            if is_plain and done_bytes + count > begin:
                tensors.update(data[max(0, begin - done_bytes) :])
            done_bytes += count
            if on_progress is not None:
                on_progress(done_bytes, max(total_bytes, done_bytes))
            if cancelled is not None and cancelled():
                raise HashingCancelled(path.name)
    sha256 = whole.hexdigest()
    return Hashes(
        autov1=autov1_of(path),
        autov2=sha256[:_AUTOV2_CHARS],
        autov3=tensors.hexdigest()[:_AUTOV3_CHARS] if is_plain else None,
        sha256=sha256,
        crc32=f"{crc:08x}",
        blake3=other.hexdigest(),
    )


class HashJobs:
    """Computes the hashes of files that somebody asked for, one file at a time, and keeps them in the catalogue's cache."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._states: dict[tuple[str, str], HashState] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hashes")

    def state(self, file: ModelFile) -> HashState:
        """What is known of a file's hashes, in its present state; computes nothing."""
        key = _key(file)
        with self._lock:
            known = self._states.get(key)
        if known is None and (told := self._catalog.cache.hash_set(*key)) is not None:
            known = HashState(state="done", done_bytes=file.size_bytes, total_bytes=file.size_bytes, hashes=Hashes(**json.loads(told)))
            with self._lock:
                self._states.setdefault(key, known)
        return known or HashState(total_bytes=file.size_bytes)

    def ask(self, file: ModelFile) -> HashState:
        """Has the hashes computed, unless they are known or being computed; how far that is."""
        known = self.state(file)
        if known.state in ("unknown", "failed"):
            known = HashState(state="waiting", total_bytes=file.size_bytes)
            self._tell(file, known)
            self._pool.submit(self._compute, file)
        return known

    def close(self) -> None:
        """Ends the work, within a file."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _compute(self, file: ModelFile) -> None:
        try:
            if file.path.is_dir():
                raise BadModelFile(f"{file.filename} is a folder of several files, for which sites have no hashes.")
            found = hashes_of(file.path, partial(self._progress, file), self._stopping.is_set)
            after = file.path.stat()
            if (after.st_size, after.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
                raise BadModelFile(f"{file.filename} changed while it was read; is it still being copied? Ask again a little later.")
        except HashingCancelled:
            return
        except (OSError, BadModelFile) as error:
            told = str(error) if isinstance(error, BadModelFile) else f"{file.filename} cannot be read: {error.strerror or error}."
            self._tell(file, HashState(state="failed", total_bytes=file.size_bytes, problem=told))
            return
        self._catalog.cache.keep_hash_set(*_key(file), json.dumps(asdict(found)))
        self._catalog.know_hash(file, found.sha256)
        self._tell(file, HashState(state="done", done_bytes=file.size_bytes, total_bytes=file.size_bytes, hashes=found))

    def _progress(self, file: ModelFile, done_bytes: int, total_bytes: int) -> None:
        self._tell(file, HashState(state="reading", done_bytes=done_bytes, total_bytes=total_bytes))

    def _tell(self, file: ModelFile, state: HashState) -> None:
        with self._lock:
            self._states[_key(file)] = state


def _key(file: ModelFile) -> tuple[str, str]:
    return str(file.path), stamp_of(file.size_bytes, file.mtime_ns)
