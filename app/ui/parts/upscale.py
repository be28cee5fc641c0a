"""The hires pass of a picture that is there already: the picture's own settings, the page's hires fix."""

from collections.abc import Mapping
from typing import Any

from app.models.catalog import Catalog
from app.schema.params import GenerationParams, view_of
from app.ui.parts.fill import fill_from_infotext

HIRES = frozenset(name for name in GenerationParams.model_fields if view_of(name).section == "hires") | {"denoising_strength"}


def upscale_values(told: Mapping[str, Any], values: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Values of one job's fields: from the picture's infotext, the hires fix and what the picture does not tell from the page's `values`.

    `told` has the picture's infotext, width and height.
    """
    filling = fill_from_infotext(str(told.get("infotext") or ""), catalog)
    own = {name: value for name, value in filling.values.items() if value is not None and name not in {*HIRES, "exact"}}
    checkpoint = {"checkpoint": filling.checkpoint.filename} if filling.checkpoint else {}
    size = {name: told.get(name) for name in ("width", "height")}
    return {**values, **own, **checkpoint, **size, "enable_hr": True, "batch_size": 1, "n_iter": 1}
