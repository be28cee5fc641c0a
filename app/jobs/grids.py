"""A job's pictures side by side in one, as A1111 lays them out."""

import io
import math
from collections.abc import Callable, Sequence

from PIL import Image

from app.jobs.options import OptionsView


def grid_rows(count: int, batch_size: int, wanted: int, *, no_gaps: bool) -> int:
    """How many rows: `wanted`, or the batch size for 0, or a square as near as may be for -1 (without gaps: a divisor of `count`)."""
    if wanted > 0:
        rows = wanted
    elif wanted == 0:
        rows = batch_size
    elif no_gaps:
        rows = max(divisor for divisor in range(1, math.isqrt(count) + 1) if count % divisor == 0)
    else:
        rows = round(math.sqrt(count))
    return max(1, min(rows, count))


def wants_grid(options: OptionsView, count: int) -> bool:
    """Whether a job of so many finished pictures gets a grid."""
    wanted = options.switch("grid_save") or options.switch("return_grid")
    return wanted and count > 0 and (count > 1 or not options.switch("grid_only_if_multiple"))


def draw_grid(files: Sequence[Callable[[], bytes]], rows: int, background: str, max_pixels: int) -> Image.Image | None:
    """RGB, cells of the first picture's size; decodes one file at a time. None if it would have more than `max_pixels`."""
    first = _decoded(files[0]())
    width, height = first.size
    columns = math.ceil(len(files) / rows)
    if width * columns * height * rows > max_pixels:
        return None
    grid = Image.new("RGB", (width * columns, height * rows), background)
    for place, file in enumerate(files):
        picture = first if place == 0 else _decoded(file())
        grid.paste(picture, (place % columns * width, place // columns * height))
    return grid


def _decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
