"""WebP: a walk over the RIFF chunks (RFC 9649): size from the canvas or the bit stream, EXIF, XMP."""

import struct

from app.metadata.containers.texts import commented
from app.metadata.record import Limits, PictureRecord, check_text, cut_off
from app.metadata.source import Data
from app.schema.errors import BadPicture

_START = b"\x9d\x01\x2a"
"""Start code of a VP8 key frame."""


def is_webp(data: bytes) -> bool:
    """Whether the first bytes are those of a WebP file."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read(data: Data, limits: Limits) -> PictureRecord:
    """The record of a WebP file; BadPicture if it is cut off or has no picture in it."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise cut_off("WebP", f"it should have {end} bytes and has {len(data)}")
    sizes: dict[bytes, tuple[int, int]] = {}
    texts = {b"EXIF": b"", b"XMP ": b""}
    position, parts = 12, 0
    while position + 8 <= end:
        kind, length = struct.unpack("<4sI", data[position : position + 8])
        position += 8
        parts += 1
        if position + length > end:
            raise cut_off("WebP", f"a chunk ends at byte {position + length}, the file at byte {end}")
        if parts > limits.parts:
            raise BadPicture("The WebP file has more chunks than any picture needs.")
        if kind in texts:
            check_text(length, limits)
            texts[kind] = texts[kind] or data[position : position + length]
        elif (size := _size(kind, data[position : position + min(length, 10)])) is not None:
            sizes.setdefault(kind, size)
        position += length + length % 2
    canvas = sizes.get(b"VP8X") or sizes.get(b"VP8 ") or sizes.get(b"VP8L")
    if canvas is None:
        raise BadPicture("The WebP file has no picture in it.")
    return commented("WEBP", canvas, texts[b"EXIF"], {"xmp": texts[b"XMP "]})


def _size(kind: bytes, head: bytes) -> tuple[int, int] | None:
    """(width, height) from the first ten bytes of a chunk; None if the chunk does not say."""
    if kind == b"VP8X" and len(head) == 10:
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(head) == 10 and head[3:6] == _START:
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None
