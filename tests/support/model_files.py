"""Small model files for tests, written byte by byte: broken ones, and whole ones whose numbers are a hole in the file."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.make_tiny_models import Tensor, TorchFile, load_manifests, shape_table

Shapes = Mapping[str, tuple[int, ...]]

_SIZES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "F8_E4M3": 1, "F8_E5M2": 1}


def write_header(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A safetensors file of any header (bytes, or an object for JSON), any bytes after it, and any length said of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def write_shapes(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None, dtype: str = "F16") -> Path:
    """A whole safetensors file with tensors of these shapes, all zeros, which take no room on the disk."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, shape in shapes.items():
        end = offset + math.prod(shape) * _SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return path


def tiny_shapes(manifest: str, table: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one of the tiny models' tables."""
    return {name: tuple(shape) for name, shape in shape_table(load_manifests()[manifest], table).items()}


def torch_file(value: object) -> bytes:
    """What torch.save would have written for plain values and `zeros`."""
    return TorchFile("f16").dump(value)


def zeros(*shape: int) -> Tensor:
    """A tensor in f16."""
    return Tensor(shape, bytes(2 * math.prod(shape)))
