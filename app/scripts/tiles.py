"""Cutting a picture into overlapping tiles of one size, and putting changed tiles together without seams, as A1111's scripts do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.schema.errors import InvalidParams

MAX_TILES = 10_000
"""Most tiles one picture may be cut into."""


@dataclass(frozen=True)
class Tiles:
    """Where the tiles of a picture lie."""

    size: tuple[int, int]
    """(width, height) of the picture."""
    tile: tuple[int, int]
    overlap_px: int
    lefts: tuple[int, ...]
    tops: tuple[int, ...]

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of each tile, row by row."""
        width, height = self.tile
        return [(left, top, left + width, top + height) for top in self.tops for left in self.lefts]


def tiled(size: tuple[int, int], tile: tuple[int, int], overlap_px: int) -> Tiles:
    """As few tiles as cover the picture, evenly spread. InvalidParams where the overlap leaves a tile nothing of its own, or too little."""
    if overlap_px >= min(tile):
        raise InvalidParams(
            f"Tiles of {tile[0]}x{tile[1]} cannot overlap by {overlap_px} pixels: choose fewer, or a larger width and height."
        )
    across, down = (max(1, -(-(whole - overlap_px) // (part - overlap_px))) for whole, part in zip(size, tile, strict=True))
    if across * down > MAX_TILES:
        raise InvalidParams(
            f"A picture of {size[0]}x{size[1]} would be cut into {across * down} tiles; the limit is {MAX_TILES}: choose a smaller "
            "overlap, or a larger width and height."
        )
    lefts, tops = _starts(size[0], tile[0], across), _starts(size[1], tile[1], down)
    return Tiles(size, tile, overlap_px, lefts, tops)


def _starts(whole: int, part: int, count: int) -> tuple[int, ...]:
    """The last tile ends with the picture; a picture smaller than a tile begins inside it."""
    stride = (whole - part) / (count - 1) if count > 1 else 0
    return tuple(min(int(number * stride), whole - part) for number in range(count))


def joined(tiles: Tiles, pictures: Iterable[Image.Image]) -> Image.Image:
    """RGB: each tile fades in over the first `overlap_px` pixels that it shares with what is there."""
    height = tiles.tile[1]
    fade_x, fade_y = _fade(tiles.overlap_px, height).T, _fade(tiles.overlap_px, tiles.size[0])
    whole = Image.new("RGB", tiles.size)
    waiting = iter(pictures)
    for top in tiles.tops:
        row = Image.new("RGB", (tiles.size[0], height))
        _lay(row, [next(waiting) for _ in tiles.lefts], tiles.lefts, tiles.overlap_px, fade_x, across=True)
        _lay(whole, [row], [top], tiles.overlap_px if top != tiles.tops[0] else 0, fade_y, across=False)
    return whole


def _lay(
    ground: Image.Image, pictures: Sequence[Image.Image], starts: Sequence[int], overlap_px: int, fade: np.ndarray, *, across: bool
) -> None:
    for number, (picture, start) in enumerate(zip(pictures, starts, strict=True)):
        faded = overlap_px if number or not across else 0
        if faded:
            box = (0, 0, faded, picture.height) if across else (0, 0, picture.width, faded)
            mask = Image.fromarray(fade)
            ground.paste(picture.crop(box), (start, 0) if across else (0, start), mask)
        rest = (faded, 0, picture.width, picture.height) if across else (0, faded, picture.width, picture.height)
        ground.paste(picture.crop(rest), (start + faded, 0) if across else (0, start + faded))


def _fade(length: int, width: int) -> np.ndarray:
    """(length, width) uint8, rising from 0 towards 255 along the first axis."""
    ramp = (np.arange(length) * 255 / max(1, length)).astype(np.uint8)
    return np.repeat(ramp[:, None], width, axis=1)
