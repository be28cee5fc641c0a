"""Textual inversions inside PNG pictures, as A1111's training leaves them: a text `sd-ti-embedding` with base64 of JSON.

The JSON is what a `.pt` embedding holds (`string_to_param`, `name`, `step` ...), each tensor an object `{"TORCHTENSOR": nested lists}`.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from app.models.header import Header, TensorInfo
from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

KEYWORD = "sd-ti-embedding"
_TENSOR = "TORCHTENSOR"
_TOLD = ("name", "step", "sd_checkpoint", "sd_checkpoint_name")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")

Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def holds_embedding(path: Path) -> bool:
    """Whether a PNG has such a text; a preview beside a model has none. Reads no more than the beginnings of its chunks."""
    try:
        with open_regular(path) as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE and _finds_keyword(file)
    except OSError:
        return False


def _finds_keyword(file: BinaryIO) -> bool:
    wanted = KEYWORD.encode() + b"\0"
    while len(start := file.read(8)) == 8:
        length, kind = int.from_bytes(start[:4]), start[4:]
        beginning = file.read(min(length, len(wanted)))
        if kind in _TEXTS and beginning == wanted:
            return True
        file.seek(length - len(beginning) + 4, 1)
    return False


def read_png_header(path: Path) -> Header:
    """Name and shape of the embedding's vectors; BadModelFile, with a sentence that does not repeat the file's name, if there is none."""
    vectors, metadata = read_png_embedding(path)
    return Header("png", {"*": TensorInfo("F32", vectors.shape)}, metadata)


def read_png_embedding(path: Path) -> tuple[Vectors, Mapping[str, str]]:
    """(vectors, width) float32, and what the embedding says of itself; BadModelFile as for `read_png_header`."""
    try:
        with open_regular(path) as file, Image.open(file, formats=["PNG"]) as picture:
            assert isinstance(picture, PngImagePlugin.PngImageFile)
            said = json.loads(base64.b64decode(picture.text.get(KEYWORD, "")))
    except (OSError, ValueError, SyntaxError, RecursionError, Image.DecompressionBombError) as error:
        raise BadModelFile("The picture holds no embedding (textual inversion) that can be read.") from error
    match said:
        case {"string_to_param": dict(tensors)} if len(tensors) == 1:
            (tensor,) = tensors.values()
        case _:
            raise BadModelFile("The picture holds no embedding (textual inversion) of one learned word.")
    try:
        vectors = np.asarray(tensor[_TENSOR], dtype=np.float32)
    except (TypeError, KeyError, ValueError) as error:
        raise BadModelFile("The vectors of the picture's embedding are damaged.") from error
    if vectors.ndim not in (1, 2) or vectors.size == 0 or not np.isfinite(vectors).all():
        raise BadModelFile("The vectors of the picture's embedding are damaged.")
    return vectors.reshape(-1, vectors.shape[-1]), {name: str(said[name]) for name in _TOLD if isinstance(said.get(name), str | int)}
