"""GIF: a walk over the blocks (GIF89a specification) for the comments; the pixels are stepped over."""

import struct

from app.metadata.containers.texts import commented
from app.metadata.record import Limits, PictureRecord, check_text, cut_off
from app.schema.errors import BadPicture

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER, _COMMENT = 0x21, 0x2C, 0x3B, 0xFE


def read(data: bytes, limits: Limits) -> PictureRecord:
    """The record of a GIF; BadPicture if it is cut off or has no picture in it."""
    if len(data) < 13:
        raise cut_off("GIF", "it ends within its header")
    size = struct.unpack_from("<HH", data, 6)
    position = 13 + _table_bytes(data[10])
    comment, pictures, parts = bytearray(), 0, 0
    while (kind := _byte(data, position)) != _TRAILER:
        if kind == _EXTENSION:
            wanted = _byte(data, position + 1) == _COMMENT
            position, blocks = _blocks(data, position + 2, limits, comment if wanted else None)
        elif kind == _IMAGE:
            pictures += 1
            table = _table_bytes(_byte(data, position + 9))
            position, blocks = _blocks(data, position + 11 + table, limits, None)
        else:
            raise BadPicture(f"The GIF file is damaged at byte {position}.")
        parts += blocks
        if parts > limits.parts:
            raise BadPicture("The GIF file has more blocks than any picture needs.")
    if not pictures:
        raise BadPicture("The GIF file has no picture in it.")
    return commented("GIF", size, b"", {"version": data[:6], "comment": bytes(comment)})


def _byte(data: bytes, position: int) -> int:
    if position >= len(data):
        raise cut_off("GIF", f"it ends after byte {len(data)} without its end mark")
    return data[position]


def _table_bytes(flags: int) -> int:
    """Bytes of the colour table that a descriptor's flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: bytes, position: int, limits: Limits, into: bytearray | None) -> tuple[int, int]:
    """Steps over a chain of data blocks; (where it ends, how many there were). Keeps their bytes if asked to."""
    count = 1
    while length := _byte(data, position):
        if into is not None:
            into += data[position + 1 : position + 1 + length]
            check_text(len(into), limits)
        position += 1 + length
        count += 1
    return position + 1, count
