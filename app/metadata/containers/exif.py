"""EXIF: the tag that holds an infotext, UserComment, found in a TIFF block and brought to text; and such a block written.

The tag begins with eight bytes that name its character set (Exif 2.32, 4.6.5), and programs disagree about all of it.
"""

import struct
from collections.abc import Mapping

USER_COMMENT = 0x9286
EXIF_POINTER = 0x8769
PREFIX = b"Exif\x00\x00"
_WIDTH, _HEIGHT = 256, 257
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
"""Of BYTE, ASCII, SHORT, LONG and UNDEFINED; the tags that are wanted here have no others."""
_TAG_NAMES: Mapping[int, str] = {
    0x010D: "DocumentName",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x8298: "Copyright",
    0x927C: "MakerNote",
    0x9C9C: "XPComment",
}
_ASCII = 2
_MAX_ENTRIES = 4096
_MAX_TEXTS = 3
_JUDGED_CHARS = 4096


def user_comment(tiff: bytes) -> str | None:
    """The UserComment of a TIFF block (with or without `Exif\\0\\0` before it); None if it has none, or is broken."""
    raw = raw_comment(tiff)
    return decode_user_comment(raw) if raw else None


def raw_comment(tiff: bytes) -> bytes:
    """The UserComment's bytes, character set and all; empty if the block has none, or is broken."""
    first, below = _directories(tiff)
    # The standard wants it below the pointer; writers that use Pillow's Exif directly put it beside the pointer.
    return below.get(USER_COMMENT) or first.get(USER_COMMENT, b"")


def exif_tags(tiff: bytes) -> dict[str, str]:
    """The block's other texts by the tag's name, those without a name here by their number (`0x010c`)."""
    first, below = _directories(tiff)
    told = {tag: raw for tag, raw in {**below, **first}.items() if tag not in (USER_COMMENT, EXIF_POINTER, _WIDTH, _HEIGHT)}
    texts = {_TAG_NAMES.get(tag, f"0x{tag:04x}"): _xp(raw) if tag == 0x9C9C else _eight_bit(raw) for tag, raw in told.items()}
    return {name: text for name, text in texts.items() if text.strip("\x00 ")}


def _directories(tiff: bytes) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """The first directory and the Exif directory that it points to."""
    first, order, tiff = _first_directory(tiff)
    pointer = first.get(EXIF_POINTER, b"")
    return first, _directory(tiff, order, struct.unpack(order + "I", pointer)[0]) if len(pointer) == 4 else {}


def tiff_size(tiff: bytes) -> tuple[int, int] | None:
    """(width, height) of the first picture in a TIFF file; None if it does not say."""
    first, order, _ = _first_directory(tiff)
    sides = [int.from_bytes(first.get(tag, b""), "little" if order == "<" else "big") for tag in (_WIDTH, _HEIGHT)]
    return (sides[0], sides[1]) if all(sides) else None


def _first_directory(tiff: bytes) -> tuple[dict[int, bytes], str, bytes]:
    """The first directory, the byte order for `struct`, and the block without the prefix."""
    tiff = tiff.removeprefix(PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2], "")
    if not order or len(tiff) < 8:
        return {}, order, tiff
    return _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0]), order, tiff


def _directory(tiff: bytes, order: str, offset: int) -> dict[int, bytes]:
    """The bytes of the wanted tags in one image file directory; what points outside the block is left out."""
    if offset + 2 > len(tiff):
        return {}
    (count,) = struct.unpack_from(order + "H", tiff, offset)
    values: dict[int, bytes] = {}
    used = 0  # entries may all point to the same bytes: together they are kept to a few times the block
    for entry in range(offset + 2, min(offset + 2 + 12 * min(count, _MAX_ENTRIES), len(tiff) - 11), 12):
        tag, kind, length = struct.unpack_from(order + "HHI", tiff, entry)
        size = length * _ITEM_BYTES.get(kind, 0)
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, entry + 8)[0]
        wanted = tag in (USER_COMMENT, EXIF_POINTER, _WIDTH, _HEIGHT) or tag in _TAG_NAMES or kind == _ASCII
        if wanted and start + size <= len(tiff) and used + size <= _MAX_TEXTS * len(tiff):
            values.setdefault(tag, tiff[start : start + size])
            used += size
    return values


def decode_user_comment(raw: bytes) -> str:
    """The text of a UserComment in any of the encodings that are met; never fails, at worst some characters are replaced."""
    prefix, rest = raw[:8], raw[8:]
    if prefix == b"UNICODE\x00":
        return _utf16(rest).rstrip("\x00")
    if prefix in (b"ASCII\x00\x00\x00", b"JIS\x00\x00\x00\x00\x00", bytes(8)):
        return _eight_bit(rest)
    return _eight_bit(raw)


def _eight_bit(raw: bytes) -> str:
    """UTF-8, whatever the prefix says: it holds what ASCII writers wrote, and UTF-8 is what the others did write."""
    raw = raw.rstrip(b"\x00")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _xp(raw: bytes) -> str:
    """Windows' own tags are UTF-16LE."""
    return raw.decode("utf-16-le", "replace").rstrip("\x00")


def _utf16(raw: bytes) -> str:
    """UTF-16 of either byte order: by its mark, else the reading with more letters of European alphabets, which any infotext has.

    TIFF's own byte order does not tell. With nothing to go by it is big-endian, as most writers have it.
    """
    if raw[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return raw.decode("utf-16", "replace")
    return max((raw.decode(order, "replace") for order in ("utf-16-be", "utf-16-le")), key=_letters)


def _letters(text: str) -> int:
    return sum("\x00" < char < "\u0250" for char in text[:_JUDGED_CHARS])


def tiff_block(comment: str) -> bytes:
    """A big-endian TIFF block with nothing but the UserComment, `UNICODE` and UTF-16BE, in the Exif directory."""
    value = b"UNICODE\x00" + comment.encode("utf-16-be", "replace")
    header = struct.pack(">2sHI", b"MM", 42, 8)
    first = struct.pack(">HHHIII", 1, EXIF_POINTER, 4, 1, 26, 0)  # the Exif directory begins at byte 26
    below = struct.pack(">HHHIII", 1, USER_COMMENT, 7, len(value), 44, 0)  # the text at byte 44
    return header + first + below + value
