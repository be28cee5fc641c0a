"""AVIF: a walk over the boxes (ISO/IEC 14496-12 and 23008-12): size from the image extents, EXIF and XMP from their items."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.metadata.containers.texts import commented
from app.metadata.record import Limits, PictureRecord, check_text, cut_off
from app.schema.errors import BadPicture

_BRANDS = (b"avif", b"avis")
_DAMAGED = "The AVIF file is damaged."
_MAX_ITEMS = 10_000
_MAX_PARTS = 64
_XMP = b"application/rdf+xml"
_BARE_EXIF = b"\x00\x00\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"
"""An item without any tag; decoders refuse one that is no TIFF block."""


@dataclass
class _Found:
    """What the boxes under `meta` say."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    exif_item: int | None = None
    xmp_item: int | None = None
    places: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Of each item: (0 counted from the file's start or 1 from the data box's, offset, length) of its parts."""
    inner: bytes = b""
    """The data box within `meta`."""


def is_avif(data: bytes) -> bool:
    """Whether the first box is a file type of AVIF; the brand may be a general one with AVIF among those it goes with."""
    if data[4:8] != b"ftyp":
        return False
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return any(box[start : start + 4] in _BRANDS for start in range(0, len(box), 4) if start != 4)  # bytes 4 to 8 are a version


def read(data: bytes, limits: Limits) -> PictureRecord:
    """The record of an AVIF file; BadPicture if it is cut off or damaged. The largest image in it is the picture."""
    found = _Found()
    try:
        for kind, box in _boxes(memoryview(data), limits):
            if kind == b"meta" and not found.sizes:  # a second one belongs to something else
                _read_meta(box[4:], found, limits)
    except (struct.error, IndexError) as error:
        raise BadPicture(_DAMAGED) from error
    if not found.sizes:
        raise BadPicture("The AVIF file has no picture in it.")
    exif, xmp = (_item(data, found, item, limits) for item in (found.exif_item, found.xmp_item))
    # The item begins with the distance to the TIFF block, which is 0 or jumps over `Exif` and two NULs.
    block = exif[4 + int.from_bytes(exif[:4], "big") :]
    return commented("AVIF", max(found.sizes, key=lambda size: size[0] * size[1]), block, {"xmp": xmp})


def _boxes(data: memoryview, limits: Limits) -> Iterator[tuple[bytes, memoryview]]:
    """(type, contents) of the boxes that fill `data`."""
    position = 0
    for _ in range(limits.parts):
        if position == len(data):
            return
        if position + 8 > len(data):
            raise cut_off("AVIF", f"it ends within a box at byte {position}")
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, position + 8), 16
        elif length == 0:  # reaches to the end
            length = len(data) - position
        if length < head:
            raise BadPicture(_DAMAGED)
        if position + length > len(data):
            raise cut_off("AVIF", f"a box of {length} bytes begins {len(data) - position} bytes before the end")
        yield kind, data[position + head : position + length]
        position += length
    raise BadPicture("The AVIF file has more boxes than any picture needs.")


def _read_meta(box: memoryview, found: _Found, limits: Limits) -> None:
    for kind, body in _boxes(box, limits):
        if kind == b"iinf":
            _read_items(body, found, limits)
        elif kind == b"iloc":
            _read_places(bytes(body[: 16 * _MAX_ITEMS]), found)
        elif kind == b"idat":
            found.inner = bytes(body)
        elif kind == b"iprp":
            for container, properties in _boxes(body, limits):
                if container == b"ipco":
                    sizes = (struct.unpack_from(">II", extent, 4) for name, extent in _boxes(properties, limits) if name == b"ispe")
                    found.sizes += sizes


def _read_items(body: memoryview, found: _Found, limits: Limits) -> None:
    """Finds the items of EXIF and of XMP in an item information box."""
    for kind, entry in _boxes(body[6 if body[0] == 0 else 8 :], limits):
        if kind != b"infe" or entry[0] not in (2, 3):  # earlier versions have no item type
            continue
        number, _, item_type = struct.unpack_from(">HH4s" if entry[0] == 2 else ">IH4s", entry, 4)
        if item_type == b"Exif":
            found.exif_item = number
        elif item_type == b"mime" and _XMP in bytes(entry[:200]):
            found.xmp_item = number


def _read_places(body: bytes, found: _Found) -> None:
    """Reads an item location box, whose numbers have sizes of their own."""
    version, position = body[0], 6
    widths = [body[4] >> 4, body[4] & 15, body[5] >> 4, body[5] & 15 if version else 0]
    offset_bytes, length_bytes, base_bytes, index_bytes = widths
    wide = 4 if version == 2 else 2

    def number(width: int) -> int:
        nonlocal position
        position += width
        if position > len(body):
            raise IndexError("item location box too short")
        return int.from_bytes(body[position - width : position], "big")

    for _ in range(min(number(wide), _MAX_ITEMS)):
        item = number(wide)
        within = number(2) & 15 if version else 0
        number(2)  # which file: always this one
        base = number(base_bytes)
        parts = []
        count = number(2)
        if count > _MAX_PARTS:
            raise IndexError("more parts than an item has")
        for _ in range(count):
            number(index_bytes)
            parts.append((within, base + number(offset_bytes), number(length_bytes)))
        found.places[item] = parts


def _item(data: bytes, found: _Found, item: int | None, limits: Limits) -> bytes:
    """The bytes of an item; empty if there is none, BadPicture if they should lie beyond the end of the file."""
    raw = bytearray()
    for within, offset, length in found.places.get(item, []) if item is not None else []:
        check_text(len(raw) + length, limits)
        source = found.inner if within == 1 else data
        if within > 1 or offset + length > len(source):
            raise BadPicture(_DAMAGED)
        raw += source[offset : offset + length]
    return bytes(raw)


def blanked(data: bytes, limits: Limits) -> bytes:
    """The file with an empty EXIF block and zeros in place of XMP, which keeps every offset in it right; BadPicture if it is damaged."""
    found, clean = _Found(), bytearray(data)
    inner_at = 0
    for kind, box in _boxes(memoryview(data), limits):
        if kind == b"meta" and not found.sizes:
            _read_meta(box[4:], found, limits)
            inner_at = data.find(b"idat" + found.inner) + 4 if found.inner else 0
    for item in (found.exif_item, found.xmp_item):
        for within, offset, length in found.places.get(item, []) if item is not None else []:
            start = offset + (inner_at if within == 1 else 0)
            if within > 1 or start + length > len(data):
                raise BadPicture(_DAMAGED)
            bare = _BARE_EXIF if item == found.exif_item and length >= len(_BARE_EXIF) else b""
            clean[start : start + length] = bare.ljust(length, b"\x00")
    return bytes(clean)
