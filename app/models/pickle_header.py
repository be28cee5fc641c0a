"""Names and shapes of the tensors in a file of torch.save (`.ckpt`, `.pt`, `.bin`), without torch and without running anything in it."""

import io
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from app.models.header import DTYPE_BITS, Header, TensorInfo
from app.models.inert_pickle import SavedTensor, read_pickle
from app.models.sniff import HEAD_BYTES, what_it_is
from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

PICKLE_LIMIT_BYTES = 8 * 2**20
"""Checkpoints with thousands of tensors and optimizer states have pickles of about one megabyte."""
DIRECTORY_LIMIT_BYTES = 8 * 2**20
"""The zip's table of members; a member takes about a hundred bytes."""

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_END_RECORD_BYTES = 22
_LONGEST_COMMENT_BYTES = 65535
_LONGEST_TEXT = 200
_FEW_OPERATIONS = 10_000
_TABLES = ("state_dict", "string_to_param", "params_ema", "params")
"""Where the weights stand in a file that holds more: checkpoints, embeddings, upscalers (averaged weights before the others)."""
_TOLD = ("name", "step", "sd_checkpoint", "sd_checkpoint_name")


def read_pickle_header(path: Path) -> Header:
    """Header of a torch.save file, of its `state_dict` (an embedding's `string_to_param`, an upscaler's `params`) if it has one.

    Raises BadModelFile, with a sentence that does not repeat the file's name, if it is none, is cut off, or asks for code.
    """
    try:
        with open_regular(path) as file:
            return _read(file)
    except OSError as error:
        raise BadModelFile(f"The file cannot be read: {error.strerror or error}.") from error


def _read(file: BinaryIO) -> Header:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if not head:
        raise BadModelFile("The file is empty (0 bytes). Download it again.")
    if head.startswith(_ZIP_MAGIC):
        return _read_zip(file)
    if head.startswith(_LEGACY_MAGIC):
        return _read_legacy(file)
    what = "a Python pickle of another kind, which is not opened." if head.startswith(b"\x80") else what_it_is(head)
    raise BadModelFile(f"The file is no PyTorch checkpoint: it is {what or 'something else or damaged. Download it again.'}")


def _read_zip(file: BinaryIO) -> Header:
    """Files of torch 1.6 and later: a zip of `NAME/data.pkl` and `NAME/data/KEY`, all uncompressed."""
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            pickled = _check_members(archive)
            data = archive.read(pickled)
            prefix = pickled.filename.removesuffix("data.pkl") + "data/"
            sizes = {member.filename.removeprefix(prefix): member.file_size for member in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error, OverflowError) as error:
        raise BadModelFile(f"The file is damaged ({str(error)[:100].rstrip('.')}). Download it again.") from error
    content = read_pickle(io.BytesIO(data))
    tensors = {name: _info(tensor, sizes.get(tensor.storage.key, 0)) for name, tensor in _tensors(content).items()}
    return Header("pickle", tensors, _texts(content))


def _check_directory(file: BinaryIO) -> None:
    """A zip's table of members stands at its end, so a file that was cut off has none; its size is limited before it is read."""
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(max(0, size_bytes - _END_RECORD_BYTES - _LONGEST_COMMENT_BYTES))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_RECORD_BYTES:
        raise BadModelFile(f"The file is cut off: after {size_bytes:,} bytes its table of contents is missing. Download it again.")
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if wide >= 0:  # files over 4 GiB have a second, wider record
        length = max(length if length < 2**32 - 1 else 0, int.from_bytes(tail[wide + 40 : wide + 48], "little"))
    if length > DIRECTORY_LIMIT_BYTES:
        raise BadModelFile(f"The file's table of contents has {length:,} bytes; more than {DIRECTORY_LIMIT_BYTES:,} are not read.")
    file.seek(0)


def _check_members(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The archive's pickle, once it is sure that torch wrote it so: nothing compressed (so nothing grows), nothing twice."""
    members = archive.infolist()
    pickles = [member for member in members if member.filename.count("/") == 1 and member.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or len({member.filename for member in members}) != len(members):
        raise BadModelFile("The file is a zip archive but no PyTorch checkpoint. If it is a packed download, unpack it first.")
    if any(member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size for member in members):
        raise BadModelFile("The file was compressed after PyTorch had saved it, and cannot be read like that. Download it again.")
    if pickles[0].file_size > PICKLE_LIMIT_BYTES:
        raise BadModelFile(f"The file's pickle has {pickles[0].file_size:,} bytes; more than {PICKLE_LIMIT_BYTES:,} are not read.")
    return pickles[0]


def _read_legacy(file: BinaryIO) -> Header:
    """Files of torch before 1.6: pickles of a magic number, a version, the system, the content, the storages' keys; then the numbers."""
    data = io.BytesIO(file.read(PICKLE_LIMIT_BYTES))
    for _ in range(3):
        read_pickle(data, _FEW_OPERATIONS)
    content = read_pickle(data)
    tensors = _tensors(content)
    read_pickle(data, _FEW_OPERATIONS + 3 * len(tensors))
    size_bytes = file.seek(0, io.SEEK_END)
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    needed_bytes = data.tell() + sum(8 + storage.size_bytes for storage in storages.values())  # each begins with its length
    if size_bytes < needed_bytes:
        raise BadModelFile(f"The file is cut off: {size_bytes:,} of {needed_bytes:,} bytes are there. Download it again.")
    return Header("pickle", {name: _info(tensor, tensor.storage.size_bytes) for name, tensor in tensors.items()}, _texts(content))


def _texts(content: object) -> dict[str, str]:
    """The few words and numbers that an embedding or hypernetwork has beside its tensors."""
    table = content if isinstance(content, dict) else {}
    return {name: str(table[name])[:_LONGEST_TEXT] for name in _TOLD if isinstance(table.get(name), str | int)}


def _tensors(content: object) -> Mapping[str, SavedTensor]:
    state = next((content[name] for name in _TABLES if name in content), content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise BadModelFile("The file holds no table of weights: it is no checkpoint.")
    found = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, SavedTensor)}
    return found or dict(_pairs(state))


def _pairs(state: Mapping[object, object]) -> Iterator[tuple[str, SavedTensor]]:
    """A hypernetwork's tensors: by width a pair of tables, for keys and for values; `768.0.linear.0.weight`."""
    for width, pair in state.items():
        for place, table in enumerate(pair if isinstance(width, int) and isinstance(pair, list | tuple) else ()):
            for name, value in table.items() if isinstance(table, dict) else ():
                if isinstance(name, str) and isinstance(value, SavedTensor):
                    yield f"{width}.{place}.{name}", value


def _info(tensor: SavedTensor, there_bytes: int) -> TensorInfo:
    """Format and shape of a tensor of whose storage so many bytes are in the file."""
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))
    reach_bytes = (last + 1) * DTYPE_BITS[tensor.dtype] // 8 if math.prod(tensor.shape) else 0
    if reach_bytes > min(there_bytes, tensor.storage.size_bytes):
        raise BadModelFile("The file is damaged (a tensor reaches beyond the numbers that are there). Download it again.")
    return TensorInfo(tensor.dtype, tensor.shape)
