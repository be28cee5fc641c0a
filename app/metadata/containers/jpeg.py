"""JPEG: a walk over the segments before the pixels (ITU T.81, annex B): size, EXIF, XMP, comment."""

from app.metadata.containers.exif import PREFIX
from app.metadata.containers.texts import commented, latin1
from app.metadata.record import Limits, PictureRecord, check_text, cut_off
from app.metadata.source import Data
from app.schema.errors import BadPicture

SIGNATURE = b"\xff\xd8\xff"
XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_COMMENT, _APP1, _APP13, _SCAN, _END = 0xFE, 0xE1, 0xED, 0xDA, b"\xff\xd9"
_PHOTOSHOP = b"Photoshop 3.0\x00"
_CAPTION = b"\x1c\x02\x78"
"""IPTC-IIM's mark of the caption, record 2, data set 120; two bytes of length follow."""
MAX_SEGMENT = 65533
"""Bytes that fit one segment, its two length bytes not counted."""
_TAIL_BYTES = 1024


def read(data: Data, limits: Limits) -> PictureRecord:
    """The record of a JPEG; BadPicture if it is cut off or has no picture in it."""
    size: tuple[int, int] | None = None
    exif, xmp, comment, caption = bytearray(), b"", b"", b""
    position, parts = 2, 0
    while True:
        while data[position + 1 : position + 2] == b"\xff":  # any number of fill bytes may stand before a marker
            position += 1
        if position + 4 > len(data):
            raise cut_off("JPEG", "it ends before its pixels begin")
        head = data[position : position + 4]
        if head[0] != 0xFF:
            raise BadPicture(f"The JPEG file is damaged at byte {position}.")
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker in _ALONE:
            position += 2
            continue
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        parts += 1
        if length < 2 or parts > limits.parts:
            raise BadPicture(f"The JPEG file is damaged at byte {position}.")
        if position > len(data):
            raise cut_off("JPEG", f"a segment ends at byte {position}, the file at byte {len(data)}")
        if marker in _FRAMES and len(body) >= 5:
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        elif marker == _APP1 and body.startswith(PREFIX):
            exif += body[len(PREFIX) :]  # a text too long for one segment goes on in the next
            check_text(len(exif), limits)
        elif marker == _APP1 and body.startswith(XMP):
            xmp = body[len(XMP) :]
        elif marker == _APP13 and body.startswith(_PHOTOSHOP):
            caption = caption or _caption(body)
        elif marker == _COMMENT:
            comment = body
        elif marker == _SCAN:
            break
    if size is None:
        raise BadPicture("The JPEG file has no frame header, so there is no picture in it.")
    if _END not in data[-_TAIL_BYTES:] and _END not in data[position:]:
        raise cut_off("JPEG", "its end marker is missing")
    return commented("JPEG", size, bytes(exif), {"comment": comment, "xmp": xmp}, {"Caption": latin1(caption)} if caption else {})


def _caption(body: bytes) -> bytes:
    """The caption of an IPTC block; empty if it has none."""
    start = body.find(_CAPTION)
    if start < 0:
        return b""
    length = int.from_bytes(body[start + 3 : start + 5], "big")
    return body[start + 5 : start + 5 + length]
