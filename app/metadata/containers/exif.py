"""EXIF: the tag that holds an infotext, UserComment, found in a TIFF block and brought to text; and such a block written.

The tag begins with eight bytes that name its character set (Exif 2.32, 4.6.5), and programs disagree about all of it.
"""

import struct

USER_COMMENT = 0x9286
EXIF_POINTER = 0x8769
PREFIX = b"Exif\x00\x00"
_WIDTH, _HEIGHT = 256, 257
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
"""Of BYTE, ASCII, SHORT, LONG and UNDEFINED; the tags that are wanted here have no others."""
_MAX_ENTRIES = 4096
_JUDGED_CHARS = 4096


def user_comment(tiff: bytes) -> str | None:
    """The UserComment of a TIFF block (with or without `Exif\\0\\0` before it); None if it has none, or is broken."""
    raw = raw_comment(tiff)
    return decode_user_comment(raw) if raw else None


def raw_comment(tiff: bytes) -> bytes:
    """The UserComment's bytes, character set and all; empty if the block has none, or is broken."""
    first, order, tiff = _first_directory(tiff)
    pointer = first.get(EXIF_POINTER, b"")
    below = _directory(tiff, order, struct.unpack(order + "I", pointer)[0]) if len(pointer) == 4 else {}
    # The standard wants it below the pointer; writers that use Pillow's Exif directly put it beside the pointer.
    return below.get(USER_COMMENT) or first.get(USER_COMMENT, b"")


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
    for entry in range(offset + 2, min(offset + 2 + 12 * min(count, _MAX_ENTRIES), len(tiff) - 11), 12):
        tag, kind, length = struct.unpack_from(order + "HHI", tiff, entry)
        size = length * _ITEM_BYTES.get(kind, 0)
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, entry + 8)[0]
        if tag in (USER_COMMENT, EXIF_POINTER, _WIDTH, _HEIGHT) and start + size <= len(tiff):
            values[tag] = tiff[start : start + size]
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
