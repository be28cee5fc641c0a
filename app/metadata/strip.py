"""The same picture without what it says about itself: metadata cut out of the file, pixels untouched."""

import re
import struct

from app.metadata.containers import avif, png, reader_of, webp
from app.metadata.containers.gif import SIGNATURES as GIF_SIGNATURES
from app.metadata.containers.jpeg import SIGNATURE as JPEG_SIGNATURE
from app.metadata.containers.stealth import silenced
from app.metadata.record import Limits, cut_off
from app.schema.errors import BadPicture

_PNG_KEPT = frozenset(b"tRNS gAMA cHRM sRGB iCCP bKGD pHYs sBIT cICP mDCV cLLI acTL fcTL fdAT".split())
"""Of the chunks that a decoder may pass over: how colours are meant, and animations. All others may hold texts."""
_ANCILLARY = 0x20
"""The bit of a chunk's first letter that says that a decoder may pass over it."""
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_TEXT_FLAGS = 0x08 | 0x04
_JPEG_KEPT = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xE0)))
"""Frames, tables, scans (ITU T.81, table B.1)."""
_JPEG_APPS = {0xE0: b"JFIF\x00", 0xE2: b"ICC_PROFILE\x00", 0xEE: b"Adobe"}
"""Application segments without which the colours would be others, and how they begin."""
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker behind a scan's coded pixels, in which a 0 follows every 255 and restarts are counted."""


def stripped(data: bytes) -> bytes:
    """The file without texts, EXIF, XMP and comments; BadPicture for other kinds than PNG, JPEG, WebP and AVIF, and broken files.

    Pixels stay as they are, but for those of a text that is hidden in their lowest bits.
    """
    bare, limits = _without_parts(data), Limits()
    reader = reader_of(bare)
    return bare if reader is None else silenced(bare, reader(bare, limits), limits)


def _without_parts(data: bytes) -> bytes:
    try:
        if data.startswith(png.SIGNATURE):
            return _png(data)
        if data.startswith(JPEG_SIGNATURE):
            return _jpeg(data)
        if webp.is_webp(data):
            return _webp(data)
        if avif.is_avif(data):
            return avif.blanked(data, Limits())
    except (struct.error, IndexError) as error:
        raise BadPicture("The picture is damaged, so its settings cannot be taken out.") from error
    kind = "A GIF's settings" if data.startswith(GIF_SIGNATURES) else "The settings of this kind of file"
    raise BadPicture(f"{kind} cannot be taken out without painting it anew.")


def _png(data: bytes) -> bytes:
    parts, position, kind = [data[:8]], 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise cut_off("PNG", f"a chunk ends at byte {end}, the file at byte {len(data)}")
        if kind in _PNG_KEPT or not kind[0] & _ANCILLARY:
            parts.append(data[position:end])
        position = end
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    """All scans with their tables, up to the end marker: whole pictures of other sizes may follow, with texts of their own."""
    parts, position = [data[:2]], 2
    while True:
        if data[position] != 0xFF:
            raise BadPicture(f"The JPEG file is damaged at byte {position}.")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _END:
            return b"".join((*parts, data[position : position + 2]))
        if marker in _ALONE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if end <= position + 3 or end > len(data):
            raise cut_off("JPEG", f"a segment ends at byte {end}, the file at byte {len(data)}")
        if marker == _SCAN:
            following = _AFTER_SCAN.search(data, end)
            if following is None:
                raise cut_off("JPEG", "its end marker is missing")
            end = following.start()
        if marker in _JPEG_KEPT or (marker in _JPEG_APPS and data.startswith(_JPEG_APPS[marker], position + 4)):
            parts.append(data[position:end])
        position = end


def _webp(data: bytes) -> bytes:
    parts, position, end = list[bytes](), 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        following = position + 8 + length + length % 2
        if position + 8 + length > len(data):
            raise cut_off("WebP", f"a chunk ends at byte {following}, the file at byte {len(data)}")
        if kind == b"VP8X":
            flags = data[position + 8] & ~_WEBP_TEXT_FLAGS
            parts.append(data[position : position + 8] + bytes([flags]) + data[position + 9 : following])
        elif kind in _WEBP_KEPT:
            parts.append(data[position:following])
        position = following
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
