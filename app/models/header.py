"""The header of a model file: names, number formats and shapes of its tensors; for safetensors files, read and validated here.

The format (https://huggingface.co/docs/safetensors): 8 bytes with the length of the header, little-endian; the header, a JSON
object of tensors and an optional `__metadata__` of texts; then the tensors' bytes, without gaps.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from app.models.facts import Layout
from app.models.sniff import HEAD_BYTES, looks_like_safetensors, what_it_is
from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

HEADER_LIMIT_BYTES = 16 * 2**20
"""The largest known headers (many tensors, long training metadata) have a few megabytes."""

DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Number formats by their safetensors names, with their size."""

_MOST_DIMENSIONS = 64  # as in torch


class TensorInfo(NamedTuple):
    """What is known of a tensor without its numbers."""

    dtype: str
    """A key of `DTYPE_BITS`, whatever the file's format."""
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What a model file holds, without the numbers."""

    layout: Layout
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    """safetensors' `__metadata__`; for pickles what an embedding or hypernetwork says of itself (`name`, `step` ...)."""


def read_safetensors_header(path: Path) -> Header:
    """Header of a .safetensors file; BadModelFile with one sentence (which does not repeat the file's name) if it is not a whole one."""
    try:
        with open_regular(path) as file:
            size_bytes = file.seek(0, 2)
            file.seek(0)
            text = _header_text(file, size_bytes)
    except OSError as error:
        raise BadModelFile(f"The file cannot be read: {error.strerror or error}.") from error
    entries = _parse(text)
    metadata = entries.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadModelFile("The file's header is damaged: its metadata is no table of texts. Download it again.")
    spans = [_tensor(name, entry) for name, entry in entries.items()]
    _check_spans(spans, size_bytes - 8 - len(text))
    return Header("safetensors", {span.name: span.info for span in spans}, metadata)


class _Span(NamedTuple):
    begin: int
    end: int
    name: str
    info: TensorInfo


def _header_text(file: BinaryIO, size_bytes: int) -> bytes:
    head = file.read(HEAD_BYTES)
    if not head:
        raise BadModelFile("The file is empty (0 bytes). Download it again.")
    if not looks_like_safetensors(head):
        what = what_it_is(head) or "something else or damaged. Download it again."
        raise BadModelFile(f"The file is no safetensors file: it is {what}")
    length = int.from_bytes(head[:8], "little")
    if length > HEADER_LIMIT_BYTES:
        raise BadModelFile(f"The file's header says it has {length:,} bytes; more than {HEADER_LIMIT_BYTES:,} are not read.")
    if 8 + length > size_bytes:
        raise BadModelFile(f"The file is cut off within its header, after {size_bytes:,} bytes. Download it again.")
    file.seek(8)
    return file.read(length)


def _parse(text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a name stands twice")
        return table

    try:
        entries = json.loads(text.decode(), object_pairs_hook=unique)
        if b"\\u" in text:
            json.dumps(entries, ensure_ascii=False).encode()  # an escape may be half a character, which is no text
    except RecursionError as error:
        raise BadModelFile("The file's header is damaged (it is nested too deep). Download it again.") from error
    except UnicodeError as error:
        raise BadModelFile("The file's header is damaged (it is no UTF-8 text). Download it again.") from error
    except ValueError as error:
        raise BadModelFile(f"The file's header is damaged ({error}). Download it again.") from error
    if not isinstance(entries, dict):
        raise BadModelFile("The file's header is damaged: it is no JSON object. Download it again.")
    return entries


def _tensor(name: str, entry: Any) -> _Span:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]} if _naturals([*shape, begin, end]):
            pass
        case _:
            raise BadModelFile(f"The file's header is damaged at tensor {name[:100]!r}. Download it again.")
    if dtype not in DTYPE_BITS:
        raise BadModelFile(f"Tensor {name[:100]!r} has the number format {dtype[:20]!r}, which Darkroom does not know.")
    if (end - begin) * 8 != math.prod(shape) * DTYPE_BITS[dtype]:
        raise BadModelFile(f"The file's header is damaged: tensor {name[:100]!r} has {end - begin:,} bytes, which does not fit its shape.")
    return _Span(begin, end, name, TensorInfo(dtype, tuple(shape)))


def _naturals(numbers: Collection[object]) -> bool:
    return len(numbers) <= _MOST_DIMENSIONS and all(type(number) is int and 0 <= number < 2**63 for number in numbers)


def _check_spans(spans: list[_Span], there_bytes: int) -> None:
    """The tensors' bytes follow each other without gap or overlap and fill the rest of the file, as the format demands."""
    position = 0
    for begin, end, name, _ in sorted(spans):
        if begin != position:
            fault = "overlaps another one" if begin < position else "is preceded by bytes that belong to none"
            raise BadModelFile(f"The file's header is damaged: tensor {name[:100]!r} {fault}.")
        position = end
    if position > there_bytes:
        raise BadModelFile(f"The file is cut off: {there_bytes:,} of {position:,} bytes of tensors are there. Download it again.")
    if position < there_bytes:
        raise BadModelFile(f"The file is damaged: {there_bytes - position:,} bytes at its end belong to no tensor. Download it again.")
