"""Grids, legends and tiles."""

import numpy as np
import pytest
from PIL import Image

from app.schema.errors import InvalidParams, TooLarge
from app.scripts.grids import Words, grid_that_fits, picture_grid, with_legend
from app.scripts.tiles import joined, tiled


def flat(color, size=(8, 8)):
    return Image.new("RGB", size, color)


def test_a_grid_is_filled_by_rows_and_small_pictures_stand_in_the_middle():
    grid = picture_grid([flat("red", (12, 8)), flat("lime"), flat("blue", (12, 8))], 2, "white", 10**6)
    assert grid.size == (24, 16)
    assert [grid.getpixel(at) for at in ((0, 0), (12, 0), (14, 0), (22, 0), (0, 8), (12, 8))] == [
        (255, 0, 0), (255, 255, 255), (0, 255, 0), (255, 255, 255), (0, 0, 255), (255, 255, 255),
    ]  # fmt: skip


def test_a_grid_over_the_limit_is_refused():
    with pytest.raises(TooLarge, match="24x8"):
        picture_grid([flat("red", (12, 8))] * 2, 1, "white", 191)
    assert grid_that_fits([flat("red", (12, 8))] * 2, 1, "white", 191) is None
    assert grid_that_fits([flat("red", (12, 8))] * 2, 1, "white", 192).size == (24, 8)


def test_a_legend_stands_around_the_cells_and_leaves_them_as_they_are():
    cells = [flat(color, (64, 64)) for color in ("red", "lime", "blue", "yellow")]
    rows, columns = [[Words("Steps: 4")], [Words("Steps: 6")]], [[Words("Seed: 1")], [Words("dark", active=False)]]
    grid = with_legend(picture_grid(cells, 2, "white", 10**6), columns, rows, "white", 4)
    left, top = grid.width - 132, grid.height - 132
    assert (left, top) == (48, 8)
    for place, color in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))):
        corner = left + place % 2 * 68, top + place // 2 * 68
        assert (np.asarray(grid)[corner[1] : corner[1] + 64, corner[0] : corner[0] + 64] == color).all()
    ink = np.asarray(grid.convert("L"))
    assert ink[:top, left:].min() < 200 and ink[top:, :left].min() < 200


def test_long_words_are_broken_and_the_legend_grows():
    one = with_legend(flat("red", (64, 64)), [[Words("a house")]], [[]], "white")
    two = with_legend(flat("red", (64, 64)), [[Words("a house on a very green hill in the evening light")]], [[]], "white")
    assert two.height > one.height


@pytest.mark.parametrize(("size", "tile", "overlap"), [((128, 128), (64, 64), 16), ((130, 70), (64, 64), 0), ((40, 40), (64, 64), 8)])
def test_tiles_cover_the_picture_and_unchanged_ones_give_it_back(size, tile, overlap):
    random = np.random.default_rng(3)
    picture = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    tiles = tiled(size, tile, overlap)
    assert all(right - left == tile[0] and bottom - top == tile[1] for left, top, right, bottom in tiles.boxes())
    again = joined(tiles, [picture.crop(box) for box in tiles.boxes()])
    assert np.abs(np.asarray(again).astype(int) - np.asarray(picture)).max() <= 1, "a fade rounds"


def test_tiles_without_end_are_refused():
    with pytest.raises(InvalidParams, match="1034289 tiles; the limit is 10000: choose a smaller overlap"):
        tiled((8192, 8192), (64, 64), 56)
