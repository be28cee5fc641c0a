"""The same picture without what it says about itself: metadata cut out of the file, pixels untouched."""

import struct

from app.metadata.containers import avif, png, reader_of, webp
from app.metadata.containers.gif import SIGNATURES as GIF_SIGNATURES
from app.metadata.containers.jpeg import SIGNATURE as JPEG_SIGNATURE
from app.metadata.containers.stealth import silenced
from app.metadata.record import Limits, cut_off
from app.schema.errors import BadPicture

_PNG_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"caBX"))
_WEBP_TEXTS = frozenset((b"EXIF", b"XMP "))
_WEBP_TEXT_FLAGS = 0x08 | 0x04
_JPEG_TEXTS = frozenset((0xE1, 0xED, 0xEB, 0xFE))
"""APP1 (EXIF, XMP), APP13 (IPTC), APP11 (C2PA), comment."""
_SCAN = 0xDA


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
        if kind not in _PNG_TEXTS:
            parts.append(data[position:end])
        position = end
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    parts, position = [data[:2]], 2
    while True:
        if data[position] != 0xFF:
            raise BadPicture(f"The JPEG file is damaged at byte {position}.")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _SCAN:
            return b"".join((*parts, data[position:]))
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if end <= position + 2 or end > len(data):
            raise cut_off("JPEG", f"a segment ends at byte {end}, the file at byte {len(data)}")
        if marker not in _JPEG_TEXTS:
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
        elif kind not in _WEBP_TEXTS:
            parts.append(data[position:following])
        position = following
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
