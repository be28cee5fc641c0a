"""PNG: a walk over the chunks, texts before and after the pixels (PNG 3rd edition, 11.3.3; eXIf 11.3.4.5)."""

import struct
import zlib
from dataclasses import dataclass, field

from app.metadata.containers.exif import exif_tags, user_comment
from app.metadata.containers.texts import latin1
from app.metadata.record import Limits, PictureRecord, check_text, cut_off
from app.metadata.source import Data
from app.schema.errors import BadPicture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PARAMETERS = "parameters"
"""The keyword under which A1111 and its relatives keep the infotext."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_WANTED = (b"IHDR", b"eXIf", *_TEXTS)


@dataclass
class _Found:
    """What the walk has met so far."""

    size: tuple[int, int] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    exif: bytes = b""
    pixels: bool = False


def read(data: Data, limits: Limits) -> PictureRecord:
    """The record of a PNG; BadPicture if it is cut off or a text is over the limits. Pixels and checksums are not looked at."""
    found = _Found()
    position, kind, parts, text_bytes = len(SIGNATURE), b"", 0, 0
    while kind != b"IEND":
        if position + 12 > len(data):
            raise cut_off("PNG", f"it ends after byte {len(data)} without its end chunk")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length] if kind in _WANTED and length <= len(data) - position else b""
        position += 12 + length
        parts += 1
        if position > len(data):
            raise cut_off("PNG", f"a chunk ends at byte {position}, the file at byte {len(data)}")
        if parts > limits.parts:
            raise BadPicture("The PNG file has more chunks than any picture needs.")
        if (parts == 1) != (kind == b"IHDR"):
            raise BadPicture("The PNG file's header chunk is not where it belongs.")
        if kind in _TEXTS:
            keyword, text = _text(kind, body, limits)
            text_bytes += len(text)
            if text_bytes > limits.all_text_bytes:
                raise BadPicture(f"The texts in the picture are together over the limit of {limits.all_text_bytes // 1024**2} MB.")
            if keyword:
                found.texts[keyword] = text
        elif kind == b"IHDR":
            found.size = struct.unpack_from(">II", body) if len(body) >= 8 else None
        elif kind == b"IDAT":
            found.pixels = True
        elif kind == b"eXIf":
            check_text(length, limits)
            found.exif = body
    return _record(found)


def _record(found: _Found) -> PictureRecord:
    if found.size is None or not found.pixels:
        raise BadPicture("The PNG file has no pixels in it.")
    items = dict(found.texts)
    text, source = items.pop(PARAMETERS, ""), PARAMETERS
    if not text and (comment := user_comment(found.exif)):
        text, source = comment, "UserComment"
    width, height = found.size
    tags = exif_tags(found.exif)
    return PictureRecord(format="PNG", width=width, height=height, text=text, source=source if text else "", items=items, tags=tags)


def _text(kind: bytes, body: bytes, limits: Limits) -> tuple[str, str]:
    """(keyword, text) of a text chunk; an unreadable one has an empty keyword."""
    keyword, _, rest = body.partition(b"\x00")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        check_text(len(rest), limits)
        return name, latin1(rest)
    if kind == b"zTXt":
        raw = _inflate(rest[1:], limits) if rest[:1] == b"\x00" else None
        return (name, latin1(raw)) if raw is not None else ("", "")
    packed, _method, rest = rest[:1], rest[1:2], rest[2:]
    _language, _, rest = rest.partition(b"\x00")
    _translated, _, rest = rest.partition(b"\x00")
    raw = _inflate(rest, limits) if packed == b"\x01" else rest
    if raw is None:
        return "", ""
    check_text(len(raw), limits)
    return name, raw.decode("utf-8", "replace").rstrip("\x00")


def _inflate(packed: bytes, limits: Limits) -> bytes | None:
    """The unpacked bytes; None if they are broken, BadPicture once there are more of them than the limit."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(packed, limits.text_bytes + 1)
    except zlib.error:
        return None
    check_text(len(raw), limits)
    return raw if stream.eof else None
