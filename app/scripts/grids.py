"""Pictures side by side, with words beside their rows and columns, in A1111's measures."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import product

from PIL import Image, ImageDraw, ImageFont

from app.schema.errors import TooLarge
from app.schema.params import GenerationParams

log = logging.getLogger(__name__)

ACTIVE, INACTIVE = "black", "#999999"
SMALL_PX = 9
_DOTLESS = str.maketrans({"i": "l", "j": "ly"})
"""For measuring letters below SMALL_PX: there FreeType 2.14 puts dots a pixel above all other letters, and with them grids would be a
pixel higher than A1111's."""
LEFT_SHARE = 0.75
"""Width of the words beside the rows, in widths of a cell."""
FONT_SHARE = 25
"""A cell's width and height together are so many heights of its letters."""


@dataclass(frozen=True)
class Words:
    """A line beside a row or above a column; an inactive one is struck through."""

    text: str
    active: bool = True


Legend = Sequence[Sequence[Words]]
"""The lines of each row or column."""


def picture_grid(pictures: Sequence[Image.Image], rows: int, background: str, max_pixels: int | None) -> Image.Image:
    """RGB, filled row by row; cells have the size of the largest picture and smaller ones stand in their middle.

    TooLarge if it would have more than `max_pixels` (option img_max_size_mp).
    """
    width, height = (max(sides) for sides in zip(*(picture.size for picture in pictures), strict=True))
    columns = -(-len(pictures) // rows)
    if max_pixels is not None:
        check_size(width * columns, height * rows, max_pixels)
    grid = Image.new("RGB", (width * columns, height * rows), background)
    for place, picture in enumerate(pictures):
        left, top = place % columns * width, place // columns * height
        grid.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
    return grid


def grid_that_fits(pictures: Sequence[Image.Image], rows: int, background: str, max_pixels: int) -> Image.Image | None:
    """The same, or None if it would have more than `max_pixels`: a grid too large costs nobody the pictures."""
    try:
        return picture_grid(pictures, rows, background, max_pixels)
    except TooLarge as problem:
        log.warning("a script gets no grid: %s", problem)
        return None


def drawn_size(params: GenerationParams) -> tuple[int, int]:
    """(width, height) of the pictures that are drawn; what is pasted back into a larger input picture has that one's size."""
    return params.hires_size.picture if params.has_hires else (params.width, params.height)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """TooLarge for a grid that option img_max_size_mp forbids."""
    if width * height > max_pixels:
        raise TooLarge(f"The grid would be {width}x{height}; option img_max_size_mp allows {max_pixels / 1e6:g} megapixels.")


def with_legend(grid: Image.Image, columns: Legend, rows: Legend, background: str, margin_px: int = 0) -> Image.Image:
    """The grid with words above its columns and left of its rows, and `margin_px` between its cells."""
    width, height = grid.width // len(columns), grid.height // len(rows)
    style = _Style((width + height) // FONT_SHARE)
    left = int(width * LEFT_SHARE) if any(words.text for lines in rows for words in lines) else 0
    above = [_wrapped(lines, width, style) for lines in columns]
    beside = [_wrapped(lines, left, style) for lines in rows]
    tallest = max(_height(lines, style) for lines in above)
    top = tallest + 2 * style.spacing if tallest else 0
    size = grid.width + left + margin_px * (len(columns) - 1), grid.height + top + margin_px * (len(rows) - 1)
    result = Image.new("RGB", size, background)
    if margin_px:
        for row, column in product(range(len(rows)), range(len(columns))):
            cell = grid.crop((width * column, height * row, width * (column + 1), height * (row + 1)))
            result.paste(cell, (left + (width + margin_px) * column, top + (height + margin_px) * row))
    else:
        result.paste(grid, (left, top))  # in one: Pillow takes a cut as large as a grid may be for an attack
    draw = ImageDraw.Draw(result)
    for column, lines in enumerate(above):
        _write(draw, lines, left + (width + margin_px) * column + width / 2, (top - _height(lines, style)) / 2, style)
    for row, lines in enumerate(beside):
        middle = top + (height + margin_px) * row + height / 2
        _write(draw, lines, left / 2, middle - _height(lines, style) / 2, style)
    return result


@dataclass(frozen=True)
class _Style:
    size: int

    @property
    def spacing(self) -> int:
        return self.size // 2

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        return _font(max(1, self.size))


@dataclass(frozen=True)
class _Line:
    words: Words
    width: int
    height: int


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BytesIO(files("app.scripts").joinpath("data/Roboto-Regular.ttf").read_bytes()), size)


def _wrapped(lines: Sequence[Words], width: int, style: _Style) -> list[_Line]:
    """The lines, broken between words where they are too long; without empty ones."""
    found = []
    for words in lines:
        held = ""
        for word in words.text.split():
            longer = f"{held} {word}".strip()
            if held and style.font.getlength(longer) > width:
                found.append(_measured(Words(held, words.active), style))
                longer = word
            held = longer
        if held:
            found.append(_measured(Words(held, words.active), style))
    return found


def _measured(words: Words, style: _Style) -> _Line:
    left, _, right, _ = style.font.getbbox(words.text)
    _, top, _, bottom = style.font.getbbox(words.text.translate(_DOTLESS) if style.size < SMALL_PX else words.text)
    return _Line(words, int(right - left), int(bottom - top))


def _height(lines: Sequence[_Line], style: _Style) -> int:
    return sum(line.height for line in lines) + style.spacing * (len(lines) - 1) if lines else 0


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[_Line], middle: float, top: float, style: _Style) -> None:
    for line in lines:
        centre = top + line.height / 2
        draw.text((middle, centre), line.words.text, ACTIVE if line.words.active else INACTIVE, style.font, anchor="mm")
        if not line.words.active:
            half = line.width / 2
            draw.line((middle - half, centre, middle + half, centre), INACTIVE, max(1, style.size // 8))
        top += line.height + style.spacing
