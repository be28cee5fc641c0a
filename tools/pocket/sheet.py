"""A contact sheet: pictures with their titles below."""

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

TITLE_PX, GAP_PX, TITLE_CHARS = 28, 8, 21


def contact_sheet(pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int = 10) -> Image.Image:
    """One sheet of (height, width, 3) uint8 pictures of one size, two lines of title each."""
    side = pictures[0].shape[1]
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + GAP_PX), rows * (side + TITLE_PX + GAP_PX)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (pixels, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = i % columns * (side + GAP_PX) + GAP_PX // 2, i // columns * (side + TITLE_PX + GAP_PX) + GAP_PX // 2
        sheet.paste(Image.fromarray(pixels), (x, y))
        lines = textwrap.wrap(title, TITLE_CHARS)[:2]
        pen.multiline_text((x, y + side + 1), "\n".join(lines), fill="black", spacing=1)
    return sheet
