"""Small pictures for tests."""

import io

from PIL import Image


def png(size: tuple[int, int] = (16, 16), color: str | tuple[int, ...] = "#3060c0", mode: str = "RGB") -> bytes:
    """A PNG file of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()
