"""Small looks at pictures, made once and kept by what is in the file."""

import io
import os
from pathlib import Path
from threading import BoundedSemaphore

from PIL import Image, ImageOps

from app.schema.errors import BadPicture, NotFound
from app.schema.params import MAX_PIXELS
from app.schema.regular_files import open_regular

SIDE_PX = 320
MAX_PIXELS_DECODED = 4 * MAX_PIXELS
MEDIA_TYPE = "image/webp"
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
"""Others stay closed: Pillow hands some of them to programs (EPS)."""
_AT_ONCE = 2
"""Decoded at a time: a large grid takes hundreds of megabytes."""


class Thumbnails:
    """A folder of WebP files, safe to delete."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._turns = folder, BoundedSemaphore(_AT_ONCE)

    def get(self, content: bytes, picture: Path) -> bytes:
        """The thumbnail of a picture file; NotFound if that is gone, BadPicture if it cannot be decoded."""
        kept = self._path(content)
        try:
            return kept.read_bytes()
        except OSError:
            with self._turns:
                data = _made(picture)
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{kept.name}.{os.getpid()}-{id(data)}.tmp")
        temporary.write_bytes(data)
        temporary.replace(kept)
        return data

    def forget(self, content: bytes) -> None:
        """Drops the thumbnail of a picture that was deleted for good."""
        self._path(content).unlink(missing_ok=True)

    def _path(self, content: bytes) -> Path:
        name = content.hex()
        return self._folder / name[:2] / f"{name}.webp"


def _made(picture: Path) -> bytes:
    try:
        with open_regular(picture) as file, Image.open(file, formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS_DECODED:
                raise BadPicture("The picture has more pixels than are decoded here.")
            opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))  # a JPEG is decoded at a fraction of its size
            small = ImageOps.exif_transpose(opened).convert("RGBA" if opened.has_transparency_data else "RGB")
            small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    except FileNotFoundError as error:
        raise NotFound("That picture is not there any more.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadPicture("The picture cannot be decoded, so there is no small look at it.") from error
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
