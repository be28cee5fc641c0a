"""The one way in for picture files: bytes or a path in, a record of its texts out."""

from dataclasses import replace
from pathlib import Path

from app.metadata.containers import reader_of
from app.metadata.dialects import read_recipe
from app.metadata.record import Limits, PictureRecord, checked
from app.schema.errors import BadPicture


def read_picture(picture: bytes | Path, limits: Limits | None = None) -> PictureRecord:
    """What a picture says about itself; a picture without metadata is a record with an empty text.

    BadPicture, with one sentence, for what is no picture, is cut off, or is over the limits.
    """
    limits = limits or Limits()
    data = _bytes(picture, limits) if isinstance(picture, Path) else picture
    if not data:
        raise BadPicture("The file is empty.")
    if len(data) > limits.file_bytes:
        raise BadPicture(f"The file is over the limit of {limits.file_bytes // 1024**2} MB.")
    reader = reader_of(data)
    if reader is None:
        raise BadPicture("This is no picture: it begins like none of PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF and PPM.")
    record = checked(reader(data, limits), limits)
    recipe = read_recipe(record)
    if recipe is None or recipe.infotext == record.text:
        return record
    return replace(record, text=recipe.infotext, source=recipe.dialect)


def _bytes(path: Path, limits: Limits) -> bytes:
    try:
        if path.stat().st_size > limits.file_bytes:
            raise BadPicture(f"{path.name} is over the limit of {limits.file_bytes // 1024**2} MB.")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"{path.name} cannot be read: {error.strerror}.") from error
