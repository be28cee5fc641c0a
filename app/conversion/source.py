"""The tensors of a model file by name, in any order, without holding more of the file in memory than a little."""

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from app.conversion.writer import SAFE_NAMES
from app.models.header import Header
from app.models.reading import read_header
from app.networks.tensors import MAPPED_BYTES, Getter, TensorFile
from app.schema.errors import BadModelFile

TORCH_NAMES = {name: dtype for dtype, name in SAFE_NAMES.items()}


class Source:
    """A file that results are made from. A context manager: the file is open inside."""

    def __init__(self, path: Path) -> None:
        """Raises BadModelFile where it is no model file or wants to run code."""
        self.path = path
        self.header: Header = read_header(path)
        self._file = TensorFile(path)
        self._opened, self._mapped = ExitStack(), 0
        self._get: Getter | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __contains__(self, name: str) -> bool:
        return name in self._file.shapes

    @property
    def names(self) -> list[str]:
        """In the order in which they lie in the file."""
        return list(self._file.shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one tensor."""
        return self._file.shapes[name]

    def get(self, name: str) -> Tensor:
        """The tensor, a view of the mapped file: use it before asking for another one."""
        if self._get is None or self._mapped >= MAPPED_BYTES:
            self._close()
            self._get = self._opened.enter_context(self._file.opened())
        assert self._get is not None
        tensor = self._get(name)
        self._mapped += tensor.nbytes
        return tensor

    def dtype(self, name: str) -> torch.dtype:
        """Number format of one tensor, as the header says. BadModelFile for one that cannot be written again."""
        stored = self.header.tensors[name].dtype
        if stored not in TORCH_NAMES:
            raise BadModelFile(f"{self.path.name} has numbers in the format {stored}, which cannot be converted.")
        return TORCH_NAMES[stored]

    def _close(self) -> None:
        self._get, self._mapped = None, 0
        self._opened.close()
