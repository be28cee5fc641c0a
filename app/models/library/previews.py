"""A model's preview picture, written beside it under the name that A1111 gives such pictures."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from app.schema.disk import CannotSave, DiskFull, is_full

PREVIEW = ".preview.png"


def write_preview(model: Path, png: bytes) -> Path:
    """Makes the PNG the preview (`NAME.preview.png`); a reader sees the old one or the new one. DiskFull, CannotSave."""
    path = model.with_name(model.stem + PREVIEW)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with fresh.open("xb") as file:
            file.write(png)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        kind = DiskFull if is_full(error) else CannotSave
        raise kind(f"{path.name} beside the model cannot be written: {error.strerror or error}.") from error
    return path
