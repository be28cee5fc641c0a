"""Which checkpoints are in memory: least recently used goes first, within a byte budget."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass

import psutil
import torch

from app.engine.preview import PreviewMap
from app.models import Catalog, ModelFile
from app.networks import Checkpoint, load_checkpoint
from app.schema.errors import BadModelFile

SHARE_OF_MEMORY = 0.5
"""Of the memory that is free at the start, what checkpoints may take."""


def memory_budget(device: torch.device) -> int:
    """Bytes that resident checkpoints may take on a device."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(free * SHARE_OF_MEMORY)


@dataclass(eq=False)
class Resident:
    """A checkpoint in memory, the file it came from, and the colours of its latents."""

    file: ModelFile
    checkpoint: Checkpoint
    preview: PreviewMap

    @property
    def key(self) -> tuple[str, int, int]:
        """Says which contents these are, without waiting for a hash."""
        return (str(self.file.path), self.file.size_bytes, self.file.mtime_ns)


class Residency:
    """Loads checkpoints by catalogue name and keeps the most recently used ones."""

    def __init__(self, catalog: Catalog, device: torch.device, dtype: torch.dtype, budget_bytes: int) -> None:
        self._catalog, self._device, self._dtype, self._budget_bytes = catalog, device, dtype, budget_bytes
        self._held: OrderedDict[str, Resident] = OrderedDict()
        self._hashes: dict[str, Future[str]] = {}
        self.names: tuple[str, ...] = ()
        """Resident checkpoints, most recently used first; replaced as a whole, so that other threads may read it."""

    def get(self, name: str, in_use: Collection[str], on_load: Callable[[str], None]) -> Resident:
        """The checkpoint, from memory if it is there and its file has not changed; `in_use` are never dropped for it."""
        held = self._held.get(name)
        if held is not None and held.file.is_current():
            self._held.move_to_end(name)
            self._note()
            return held
        file = self._catalog.find(name)
        if file.problem is not None or file.facts is None:
            raise BadModelFile(f"{file.filename}: {file.problem or 'this is no checkpoint.'}")
        on_load(file.name)
        self._held.pop(name, None)
        self._make_room(file.size_bytes, in_use)
        self._start_hashing(name, file)
        checkpoint = load_checkpoint(file, str(self._device), self._dtype)
        preview = PreviewMap.of(checkpoint, file.facts.autoencoder.latent_channels, self._device)
        self._held[name] = Resident(file, checkpoint, preview)
        self._make_room(0, {*in_use, name})
        self._note()
        return self._held[name]

    def _note(self) -> None:
        self.names = tuple(reversed(self._held))

    def sha256(self, name: str) -> str:
        """The file's hash: from the catalogue, or waited for where it is still being computed beside the work."""
        if name in self._hashes:
            return self._hashes[name].result()
        return self._catalog.hash(self._catalog.find(name))

    def drop(self, keep: Collection[str] = ()) -> None:
        """Frees every checkpoint but those of `keep`."""
        for name in [name for name in self._held if name not in keep]:
            del self._held[name]
        self._note()
        self._free_cache()

    def _make_room(self, coming_bytes: int, in_use: Collection[str]) -> None:
        for name in list(self._held):
            if sum(held.checkpoint.nbytes for held in self._held.values()) + coming_bytes <= self._budget_bytes:
                break
            if name not in in_use:
                del self._held[name]
        self._free_cache()

    def _free_cache(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _start_hashing(self, name: str, file: ModelFile) -> None:
        """The hash is needed when the first picture is saved; until then it is computed beside the forwards."""
        future: Future[str] = Future()
        self._hashes[name] = future

        def work() -> None:
            try:
                future.set_result(self._catalog.hash(file))
            except (OSError, BadModelFile) as error:  # gone or changed since; whoever waits for the hash is told
                future.set_exception(error)

        threading.Thread(target=work, name=f"hash {name}", daemon=True).start()
