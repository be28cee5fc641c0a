"""The tensors of a model file or diffusers folder by their names in CompVis' layout, in any order, holding little of it in memory."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from app.conversion.layout import compvis_layout
from app.conversion.writer import SAFE_NAMES
from app.models.facts import CheckpointFacts
from app.models.header import TensorInfo
from app.models.reading import read_facts, read_header
from app.networks.tensors import MAPPED_BYTES, Getter, open_tensors
from app.schema.errors import BadModelFile

TORCH_NAMES = {name: dtype for dtype, name in SAFE_NAMES.items()}


class Source:
    """A file or folder that results are made from. A context manager: it is open inside."""

    def __init__(self, path: Path) -> None:
        """Raises BadModelFile where it is no model file or wants to run code."""
        self.path = path
        self._file = open_tensors(path)
        stored = read_header(path)
        stored = replace(stored, tensors={name: stored.tensors[name] for name in self._file.shapes if name in stored.tensors})  # in order
        self._made = compvis_layout(path, stored)
        self.header = replace(stored, tensors={name: TensorInfo(made.dtype, made.shape) for name, made in self._made.items()})
        """Of the file, as it would be in CompVis' layout."""
        self._opened, self._mapped = ExitStack(), 0
        self._get: Getter | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __contains__(self, name: str) -> bool:
        return name in self._made

    @property
    def facts(self) -> CheckpointFacts:
        """What it is, as it would be in CompVis' layout. BadModelFile where it is no checkpoint that is known."""
        return read_facts(self.path, self.header)

    @property
    def names(self) -> list[str]:
        """In the order in which they lie in the file."""
        return list(self._made)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one tensor."""
        return self._made[name].shape

    def get(self, name: str) -> Tensor:
        """The tensor, most often a view of the mapped file: use it before asking for another one."""
        made = self._made[name]
        if made.transposed:
            return self._stored(made.stored[0]).T
        if len(made.stored) == 1:
            return self._stored(made.stored[0]).reshape(made.shape)
        whole = torch.empty(made.shape, dtype=self.dtype(name))
        for place, stored in zip(whole.chunk(max(1, len(made.stored))), made.stored, strict=False):
            place.copy_(self._stored(stored))
        return whole

    def _stored(self, name: str) -> Tensor:
        if self._get is None or self._mapped >= MAPPED_BYTES:
            self._close()
            self._get = self._opened.enter_context(self._file.opened())
        assert self._get is not None
        tensor = self._get(name)
        self._mapped += tensor.nbytes
        return tensor

    def dtype(self, name: str) -> torch.dtype:
        """Number format of one tensor, as the header says. BadModelFile for one that cannot be written again."""
        stored = self._made[name].dtype
        if stored not in TORCH_NAMES:
            raise BadModelFile(f"{self.path.name} has numbers in the format {stored}, which cannot be converted.")
        return TORCH_NAMES[stored]

    def _close(self) -> None:
        self._get, self._mapped = None, 0
        self._opened.close()
