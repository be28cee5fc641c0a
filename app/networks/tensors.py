"""The tensors of a model file or diffusers folder, mapped and read once, in the order they lie in the file.

A mapped page counts as this process's memory once it has been touched. The mapping is therefore dropped and made anew after
every `MAPPED_BYTES`: a load's peak is the converted weights plus that, whatever the size of the file.
"""

import contextlib
import os
import pickle
import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from app.models.diffusers_folder import is_diffusers_folder, weight_files
from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

MAPPED_BYTES = 128 * 2**20

_ZIP_MAGIC = b"PK\x03\x04"
_UNPICKLING_FAILURES = (
    pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError,
)  # fmt: skip
"""What torch's weights-only unpickler has been seen to raise on files that are damaged, hostile or something else."""

Getter = Callable[[str], Tensor]


class Tensors(Protocol):
    """The tensors of a file or folder: their shapes, and ways to their numbers."""

    shapes: dict[str, tuple[int, ...]]

    def opened(self) -> AbstractContextManager[Getter]:
        """Tensors by name, as views of the mapped file, which grow its share of memory until it is closed."""

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Every wanted tensor, in file order, as a view of the mapped file: copy it before taking the next one."""


def open_tensors(path: Path) -> Tensors:
    """The tensors of a model file or of a diffusers folder; reads names and shapes only.

    Raises BadModelFile where it is gone, truncated, no model file, or wants to run code.
    """
    return TensorFolder(path) if is_diffusers_folder(path) else TensorFile(path)


class TensorFile:
    """A checkpoint file: the shapes of its tensors, and a single pass over those that are wanted."""

    def __init__(self, path: Path) -> None:
        """Reads names and shapes only.

        Raises BadModelFile where the file is gone, truncated, no model file, or wants to run code.
        """
        if not path.is_file():
            raise BadModelFile(f"{path.name} is no longer there. Put it back, or refresh the list of checkpoints.")
        self._path = path
        self._open: Callable[[Path], AbstractContextManager[Getter]]
        if path.suffix.lower() == ".safetensors":
            self._open, self.shapes = _safetensors, _safetensors_shapes(path)
        else:
            state = _state(path)
            self._open, self.shapes = _pickle, {name: tuple(tensor.shape) for name, tensor in state.items()}

    def opened(self) -> AbstractContextManager[Getter]:
        """Tensors by name, as views of the mapped file, which grow its share of memory until it is closed."""
        return self._open(self._path)

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Every wanted tensor, in file order, as a view of the mapped file: copy it before taking the next one."""
        left = [name for name in self.shapes if name in wanted]
        while left:
            with self._open(self._path) as get:
                mapped = taken = 0
                while taken < len(left) and mapped < MAPPED_BYTES:
                    tensor = get(left[taken])
                    if tuple(tensor.shape) != self.shapes[left[taken]]:
                        raise _changed(self._path)
                    taken, mapped = taken + 1, mapped + tensor.nbytes
                    yield left[taken - 1], tensor
                del tensor  # the last reference of ours: with it the mapping goes
            left = left[taken:]


class TensorFolder:
    """A diffusers folder: the tensors of all its files, with the names of their networks before theirs."""

    def __init__(self, path: Path) -> None:
        """Reads names and shapes only; BadModelFile as for files, or where the folder is not complete."""
        self._members = [(f"{part}.", TensorFile(file)) for part, files in weight_files(path).items() for file in files]
        self.shapes = {prefix + name: shape for prefix, member in self._members for name, shape in member.shapes.items()}

    @contextmanager
    def opened(self) -> Iterator[Getter]:
        """Tensors by name; a file is mapped when the first of its tensors is asked for."""
        owners = {prefix + name: (place, name) for place, (prefix, member) in enumerate(self._members) for name in member.shapes}
        getters: dict[int, Getter] = {}
        with ExitStack() as stack:

            def get(name: str) -> Tensor:
                place, inner = owners[name]
                if place not in getters:
                    getters[place] = stack.enter_context(self._members[place][1].opened())
                return getters[place](inner)

            yield get

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Every wanted tensor, file by file."""
        for prefix, member in self._members:
            own = {name for name in member.shapes if prefix + name in wanted}
            for name, tensor in member.stream(own):
                yield prefix + name, tensor


def read_ahead(path: Path) -> None:
    """Asks the system to read a file, or a diffusers folder's weights, into its cache beside the work that follows.

    Where it cannot be asked, nothing happens.

    Mapped pages alone are read in small pieces, each waited for: a load from a cold disk takes about twice as long.
    """
    if not hasattr(os, "posix_fadvise"):
        return

    def work() -> None:
        with contextlib.suppress(OSError, BadModelFile):
            for each in (path,) if path.is_file() else chain.from_iterable(weight_files(path).values()):
                with open_regular(each) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    threading.Thread(target=work, name="read ahead", daemon=True).start()


def _safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.offset_keys()}
    except (SafetensorError, OSError, RuntimeError) as error:  # the last: its size changed between the look and the mapping
        raise BadModelFile(f"{path.name} is damaged or no safetensors file ({error}). Download it again.") from error


def _changed(path: Path) -> BadModelFile:
    return BadModelFile(f"{path.name} changed while it was read; is it still being copied? Try again when that is done.")


@contextmanager
def _safetensors(path: Path) -> Iterator[Getter]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file.get_tensor
    except (SafetensorError, OSError, RuntimeError) as error:  # it was whole when its shapes were read
        raise _changed(path) from error


@contextmanager
def _pickle(path: Path) -> Iterator[Getter]:
    yield _state(path).__getitem__


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch.save file: of its `state_dict`, or of an embedding's `string_to_param`, where it has one."""
    content = unpickled(path)
    state = content.get("state_dict", content.get("string_to_param", content)) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise BadModelFile(f"{path.name} holds no table of weights. It is not a checkpoint.")
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}


def unpickled(path: Path) -> object:
    """The content of a torch.save file, by torch's weights-only unpickler; mapped where its container (zip, since torch 1.6) allows it.

    Raises BadModelFile where it is damaged or asks for code.
    """
    with open_regular(path) as file:
        mappable = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mappable)
    except _UNPICKLING_FAILURES as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> BadModelFile:
    if foreign := re.search(r"(?:GLOBAL|function|class) [`'<]*((?:\w+\.)+\w+)", str(error)):
        return BadModelFile(
            f"{path.name} asks for {foreign[1]}, which is program code and not weights, so it was not opened. "
            "Use the model's .safetensors version, or convert the file with a program you trust."
        )
    return BadModelFile(f"{path.name} is damaged or no PyTorch checkpoint. Download it again, if possible as .safetensors.")
