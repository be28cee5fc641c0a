"""Which checkpoints are in memory, and where: least recently used goes first, within byte budgets for the device and the host."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch

from app.engine.budgets import Budgets, storage_bytes
from app.engine.memory import least_work, placement_for
from app.engine.oom import out_of_memory, trying_again
from app.engine.preview import PreviewMap
from app.models import Catalog, ModelFile
from app.networks import Checkpoint, load_checkpoint
from app.networks.offload import Placement
from app.networks.sharing import Twins
from app.networks.tensors import read_ahead
from app.schema.errors import BadModelFile, UnknownName

log = logging.getLogger(__name__)

SWAPS_WORTH = 5.0
"""Work for a checkpoint that is not on the device waits as long as so many of its swaps take: at most a sixth of the time is swapping."""
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0
FIRST_GUESS_BYTES_PER_S = 500e6
"""Of a cold load, until one has been timed."""
COPY_BYTES_PER_S = 5e9
"""Of a copy from host memory to a card."""
BYTES_OF = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1}
T = TypeVar("T")
NO_ROOM = "There is not enough memory for {}. Free some, or choose a smaller checkpoint."


@dataclass(eq=False)
class Resident:
    """A checkpoint in memory, the file it came from, and the colours of its latents."""

    file: ModelFile
    checkpoint: Checkpoint
    on_device: bool
    """False: it waits in host memory and must be copied before it can work."""
    placement: Placement = Placement.WHOLE
    _preview: PreviewMap | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[str, int, int]:
        """Says which contents these are, without waiting for a hash."""
        return (str(self.file.path), self.file.size_bytes, self.file.mtime_ns)

    @property
    def preview(self) -> PreviewMap:
        """Fitted when it is first asked for, with one small decode."""
        if self._preview is None:
            facts = self.checkpoint.facts
            self._preview = PreviewMap.of(self.checkpoint, facts.autoencoder.latent_channels, self.checkpoint.device)
        return self._preview


class Residency:
    """Loads checkpoints by catalogue name, keeps the most recently used ones, and reads the next one ahead.

    On a CPU the device's memory is the host's, and switching to a resident checkpoint costs nothing. Elsewhere what leaves the
    device waits in host memory, as far as that has room, and coming back costs a copy. No job holds a checkpoint between two
    forwards, so any of them may go; those that running jobs need go last.
    """

    def __init__(
        self,
        catalog: Catalog,
        device: torch.device,
        dtype: torch.dtype,
        budgets: Budgets,
        *,
        host: torch.device | None = None,
        at_most: Placement = Placement.WHOLE,
    ) -> None:
        """`host`: where checkpoints wait that have left the device; None where that is the same memory.

        `at_most`: how much of a checkpoint may be on the device at once even where more would fit; without a host it has no meaning.
        """
        self._catalog, self._device, self._dtype, self._budgets, self._host = catalog, device, dtype, budgets, host
        self._at_most = at_most
        self._held: OrderedDict[str, Resident] = OrderedDict()
        self._coming: dict[str, Future[Resident]] = {}
        self._hashes: dict[str, Future[str]] = {}
        self._hinted: set[str] = set()
        """Checkpoints that cannot be loaded ahead, whose files the system has been told of since they were last in memory."""
        self._bytes_per_s = FIRST_GUESS_BYTES_PER_S
        self._most, self._one_on_device = 0, False
        self.names: tuple[str, ...] = ()
        """Checkpoints on the device, most recently used first; replaced as a whole, so that other threads may read it."""

    def limit(self, most: int, *, one_on_device: bool, in_use: Collection[str] = ()) -> None:
        """Further limits, A1111's: how many checkpoints in memory (0: as the budgets allow), and whether only one on the device.

        What is too much goes at once, the one used last stays. Without a host, where the device's memory is all there is, "one on
        the device" would leave the others no place, and means nothing.
        """
        self._most, self._one_on_device = most, one_on_device and self._host is not None
        if self._held:
            self._make_room(0, next(reversed(self._held)), in_use)

    def get(self, name: str, in_use: Collection[str], on_load: Callable[[str], None], *, renew: bool = False) -> Resident:
        """The checkpoint, ready on the device; `in_use` are the last to go for it.

        `renew`: loaded anew where its file has changed. Without it a job goes on with what it has begun with.

        Raises BadModelFile where its file cannot be loaded, TooLarge where it does not fit into memory.
        """
        held = self._held.get(name)
        if held is None or (renew and not held.file.is_current()):
            held = self._loaded(name, in_use, on_load)
        if not held.on_device:
            on_load(held.file.name)
            self._place(held, name, in_use)
        self._held.move_to_end(name)
        self._note()
        return held

    def _loaded(self, name: str, in_use: Collection[str], on_load: Callable[[str], None]) -> Resident:
        file = self._loadable(name)
        if file.path.exists() and not file.is_current():
            self._catalog.refresh()  # another file than the one that was listed: its header is read, once
            file = self._loadable(name)
        on_load(file.name)
        self._held.pop(name, None)
        coming = self._coming.pop(name, None)
        if coming is None:
            self._make_room(self._expected_bytes(file), name, in_use)
            self._start_hashing(name, file)
            straight = self._host is None or self._fits_whole(file)
            target = self._device if straight or self._host is None else self._host
            resident = self._trying_again(lambda: self._load(file, target, self._twins(), on_device=straight), name)
        else:
            resident = coming.result()
        self._held[name] = resident
        self._hinted.discard(name)
        self._make_room(0, name, in_use)
        return resident

    def _place(self, held: Resident, name: str, in_use: Collection[str]) -> None:
        """From host memory to the device: copied there, or visiting it in parts."""
        checkpoint = held.checkpoint
        work = least_work(checkpoint.facts, self._dtype.itemsize)
        fitting = placement_for(checkpoint.part_bytes, work, self._budgets.device_bytes)
        held.placement = max(fitting, self._at_most, key=list(Placement).index)
        if held.placement is Placement.WHOLE:
            self._make_room(checkpoint.nbytes + max(work.values()), name, in_use)
            twins = Checkpoint.twins(other.checkpoint for other in self._held.values() if other.on_device)
            self._trying_again(lambda: checkpoint.to(str(self._device), twins), name)
        else:
            self.release({name})
            checkpoint.visit(str(self._device), streamed=held.placement is Placement.STREAM)
            log.info("%s: its weights stay in host memory and visit the device (%s)", name, held.placement)
        held.on_device = True

    def _trying_again(self, work: Callable[[], T], name: str) -> T:
        return trying_again(work, lambda: self.release({name}), NO_ROOM.format(name))

    def _loadable(self, name: str) -> ModelFile:
        file = self._catalog.find(name)
        if file.problem is not None or file.facts is None:
            raise BadModelFile(f"{file.filename}: {file.problem or 'this is no checkpoint.'}")
        return file

    def _load(self, file: ModelFile, device: torch.device, twins: Twins, *, on_device: bool) -> Resident:
        begun = time.monotonic()
        checkpoint = load_checkpoint(file, str(device), self._dtype, twins=twins)
        self._bytes_per_s = checkpoint.nbytes / max(1e-3, time.monotonic() - begun)
        return Resident(file, checkpoint, on_device)

    def _fits_whole(self, file: ModelFile) -> bool:
        assert file.facts is not None  # whoever loads has looked
        work = max(least_work(file.facts, self._dtype.itemsize).values())
        return self._at_most is Placement.WHOLE and self._expected_bytes(file) + work <= self._budgets.device_bytes

    def _twins(self) -> Twins:
        return Checkpoint.twins(held.checkpoint for held in self._held.values())

    # reading ahead

    def read_ahead(self, name: str, in_use: Collection[str]) -> bool:
        """Begins to load a checkpoint beside the work, if it fits beside what is in use; whether it has just begun.

        What went wrong with it is told to whoever asks for the checkpoint.
        """
        self._collect()
        if name in self._held or name in self._coming:
            return False
        try:
            file = self._loadable(name)
        except (BadModelFile, UnknownName):
            return False
        expected = self._expected_bytes(file)
        needed = storage_bytes(w for n, held in self._held.items() if n in in_use for w in held.checkpoint.weights)
        if needed + expected > self._budgets.host_bytes or 0 < self._most < len({*self._held, *self._coming, name}):
            if name not in self._hinted:
                self._hinted.add(name)
                read_ahead(file.path)  # at least into the system's cache
            return False
        if self._host is None:
            self._make_room(expected, name, in_use)
        self._start_hashing(name, file)
        future: Future[Resident] = Future()
        self._coming[name] = future
        load = partial(self._load, file, self._host or self._device, self._twins(), on_device=self._host is None)

        def work() -> None:
            try:
                future.set_result(load())
            except Exception as error:  # noqa: BLE001 - raised again where the checkpoint is asked for
                future.set_exception(error)

        threading.Thread(target=work, name=f"load {name}", daemon=True).start()
        return True

    def _collect(self) -> None:
        """Takes in what has been read ahead. What failed stays where `get` finds it, unless memory ran out: then it is tried anew."""
        for name, future in list(self._coming.items()):
            if not future.done():
                continue
            error = future.exception()
            if error is None:
                self._held[name] = self._coming.pop(name).result()
                self._held.move_to_end(name, last=False)  # it has not been used
                self._note()
            elif out_of_memory(error):
                del self._coming[name]

    def patience_s(self, name: str) -> float:
        """How long work for a checkpoint that is not on the device may wait while there is other work."""
        self._collect()
        if name in self._coming:
            return 0.0 if self._coming[name].done() else LONGEST_WAIT_S
        if name in self._held:
            swap_s = self._held[name].checkpoint.nbytes / COPY_BYTES_PER_S
        else:
            try:
                swap_s = self._expected_bytes(self._loadable(name)) / self._bytes_per_s
            except (BadModelFile, UnknownName):
                return 0.0
        return min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, SWAPS_WORTH * swap_s))

    def _expected_bytes(self, file: ModelFile) -> int:
        """What a checkpoint will take, from its file's size and number format."""
        stored = BYTES_OF.get(file.facts.storage, 4) if file.facts is not None else 4
        return file.size_bytes * self._dtype.itemsize // stored

    # room

    def sha256(self, name: str) -> str:
        """The file's hash: from the catalogue, or waited for where it is still being computed beside the work."""
        if name in self._hashes:
            return self._hashes[name].result()
        return self._catalog.hash(self._catalog.find(name))

    def title(self, name: str) -> str:
        """The checkpoint as infotexts name it: without ending, with the first 10 digits of its hash."""
        return f"{self._catalog.find(name).name} [{self.sha256(name)[:10]}]"

    def drop(self, keep: Collection[str] = ()) -> None:
        """Frees every checkpoint but those of `keep`, in host memory too."""
        for name in [name for name in self._held if name not in keep]:
            del self._held[name]
        self._note()
        self._free_cache()

    def release(self, keep: Collection[str]) -> None:
        """Frees the device of every checkpoint but those of `keep`, because memory ran out."""
        for name in [name for name, held in self._held.items() if held.on_device and name not in keep]:
            self._leave(name)
        self._note()
        self._free_cache()

    def _make_room(self, coming_bytes: int, wanted: str, in_use: Collection[str]) -> None:
        """First those that no job needs go, then those that jobs need, the least recently used first."""
        others = sorted((name for name in self._held if name != wanted), key=lambda name: name in in_use)
        for name in others:
            on_device = [n for n, held in self._held.items() if held.on_device]
            full = self._bytes(on_device=True) + coming_bytes > self._budgets.device_bytes
            if self._held[name].on_device and (full or (self._one_on_device and len({*on_device, wanted}) > 1)):
                self._leave(name)
        for name in others:
            if name in self._held and 0 < self._most < len({*self._held, wanted}):
                del self._held[name]
        self._note()
        self._free_cache()

    def _leave(self, name: str) -> None:
        """From the device to host memory, where there is such a place and it has room; else away."""
        held = self._held[name]
        waiting = [n for n, other in self._held.items() if not other.on_device]
        while waiting and self._host and self._bytes(on_device=False) + held.checkpoint.nbytes > self._budgets.host_bytes:
            del self._held[waiting.pop(0)]
        if self._host is None or self._bytes(on_device=False) + held.checkpoint.nbytes > self._budgets.host_bytes:
            del self._held[name]
            return
        held.checkpoint.to(str(self._host))
        held.on_device = False

    def _bytes(self, *, on_device: bool) -> int:
        return storage_bytes(w for held in self._held.values() if held.on_device == on_device for w in held.checkpoint.weights)

    def _note(self) -> None:
        self.names = tuple(name for name, held in reversed(self._held.items()) if held.on_device)

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
