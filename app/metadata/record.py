"""What a picture file says about itself, read without decoding its pixels, and how much of it is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from app.metadata.json_text import json_object
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
    hidden_pixels: int = 32 * 1024**2
    """Most pixels that are decoded to look for a text hidden in them; 0: never."""


@dataclass(frozen=True)
class Recipe:
    """How a picture was made: who says so, and what, as an infotext."""

    dialect: str
    infotext: str
    """In A1111's words, with everything that has no such word under the program's own label."""
    raw: str = ""
    """The text as the program wrote it."""
    warnings: tuple[str, ...] = ()
    """One sentence each, for people: what the picture does not tell, or what had to be guessed."""
    shown: str | None = None
    """What A1111 itself shows for such a picture, where that is less."""
    usable: str | None = None
    """The infotext with its prompts in A1111's syntax, where the program weighs words in its own."""


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
    tags: Mapping[str, str] = field(default_factory=dict)
    """EXIF texts beside the UserComment by the tag's name, and IPTC's caption as `Caption`."""
    name: str = field(default="", compare=False)
    """The file's name, if it is known: some programs tell a seed in it."""
    recipe: Recipe | None = None
    """What the dialects made of all that; None: no settings were found."""

    @cached_property
    def data(self) -> dict[str, Any]:
        """The text as a JSON object, which many programs put in its place; empty if it is none."""
        return json_object(self.text) or {}

    @property
    def infotext(self) -> str:
        """All settings in A1111's words, whatever program wrote them; the text itself where A1111 wrote it."""
        return self.recipe.infotext if self.recipe is not None else self.text

    @property
    def usable(self) -> str:
        """The infotext as it acts here: words are weighed in A1111's syntax."""
        return self.infotext if self.recipe is None or self.recipe.usable is None else self.recipe.usable


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
