"""What a picture file says about itself, read without decoding its pixels, and how much of it is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.schema.errors import BadPicture
from app.schema.params import MAX_PIXELS

Format = Literal["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes beyond which a file is refused; all of them are checked before anything of that size is made."""

    file_bytes: int = 512 * 1024**2
    pixels: int = 4 * MAX_PIXELS
    """More than one job's picture may have, because grids are put together from many."""
    text_bytes: int = 8 * 1024**2
    """Of one text, after it has been unpacked; a large ComfyUI workflow has a few megabytes."""
    all_text_bytes: int = 32 * 1024**2
    parts: int = 2_000_000
    """Chunks, segments or blocks; a file of nothing but tiny ones would take minutes."""


@dataclass(frozen=True, kw_only=True)
class PictureRecord:
    """A picture's format, its size in pixels and its texts."""

    format: Format
    width: int
    height: int
    text: str = ""
    """The infotext, or whatever else stands in its place; empty: the picture has none."""
    source: str = ""
    """Where the text stood: `parameters` (PNG), `UserComment` (EXIF), `comment`, or the dialect it was translated from."""
    items: Mapping[str, str] = field(default_factory=dict)
    """The other texts by their keyword, as A1111's /png-info answers them; XMP stands here as raw XML."""


def cut_off(kind: str, what: str) -> BadPicture:
    """The error for a file that ends before it says it does."""
    return BadPicture(f"The {kind} file is cut off: {what}.")


def check_text(size_bytes: int, limits: Limits) -> None:
    """BadPicture if a text of this size is more than is read."""
    if size_bytes > limits.text_bytes:
        raise BadPicture(f"A text in the picture is over the limit of {limits.text_bytes // 1024**2} MB.")


def checked(record: PictureRecord, limits: Limits) -> PictureRecord:
    """The record itself; BadPicture if its size is nothing, or more than anybody should decode."""
    if record.width < 1 or record.height < 1:
        raise BadPicture(f"The {record.format} file says that it is {record.width} pixels wide and {record.height} high.")
    if record.width * record.height > limits.pixels:
        limit = limits.pixels // 1024**2
        raise BadPicture(f"The picture has {record.width}x{record.height} pixels, over the limit of {limit} megapixels.")
    return record
