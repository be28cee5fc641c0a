"""What the PNG Info tab tells of a picture file: its infotext, its settings one by one, and whether its checkpoint is here."""

import binascii
from base64 import b64decode
from typing import Any

from app.metadata import Restored, params_from_infotext, read_picture
from app.models.catalog import Catalog
from app.schema.errors import BadPicture, DarkroomError
from app.ui.parts.fields import title_of
from app.ui.parts.fill import find_checkpoint

HIDDEN = frozenset(("mode", "checkpoint", "init_images"))


def picture_info(data: str, catalog: Catalog) -> dict[str, Any]:
    """From a file in base64; `error` holds a sentence for what is no picture."""
    try:
        record = read_picture(_decoded(data))
    except DarkroomError as error:
        return {"error": str(error)}
    return {
        "infotext": record.text,
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "settings": settings_of(record.text, catalog) if record.text else [],
    }


def settings_of(text: str, catalog: Catalog) -> list[tuple[str, str]]:
    """(label, value) of everything an infotext says, as a person reads it."""
    restored = params_from_infotext(text)
    told = [(title_of(name), str(value)) for name, value in restored.values.items() if name not in HIDDEN and value != ""]
    told += [("Model", " ".join(_model(restored, catalog)))] if restored.model_name or restored.model_hash else []
    told += restored.extras.items()
    return [*told, *([("Version", restored.version)] if restored.version else [])]


def _model(restored: Restored, catalog: Catalog) -> list[str]:
    found, warning = find_checkpoint(restored, catalog)
    named = [restored.model_name, f"[{restored.model_hash}]" if restored.model_hash else ""]
    here = "(not here)" if found is None else "(here, but another file)" if warning else f"(here: {found.filename})"
    return [part for part in (*named, here) if part]


def _decoded(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPicture("The file arrived damaged; drop it again.") from error
