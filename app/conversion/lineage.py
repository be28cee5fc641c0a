"""Which checkpoints a mixture was made of, and those in turn: A1111's `sd_merge_models` of a safetensors file's metadata."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.conversion.source import Source
from app.models.hashes import autov1_of

MODELS, RECIPE = "sd_merge_models", "sd_merge_recipe"
MOST_MODELS = 1000
"""A header is read whole whenever a file is looked at; mixtures of mixtures would fill it."""


def lineage(sources: Iterable[Source], sha256s: Mapping[Path, str]) -> dict[str, object]:
    """By sha256 the name, AutoV1 hash and recipe of every source whose hash is known, and of all that these say they were made of."""
    models: dict[str, object] = {}
    for source in sources:
        models |= _table(source, MODELS)
        if source.path in sha256s and source.path.is_file():
            said = {"name": source.path.name, "legacy_hash": autov1_of(source.path), RECIPE: _table(source, RECIPE) or None}
            models[sha256s[source.path]] = said
    return dict(list(models.items())[-MOST_MODELS:])


def _table(source: Source, name: str) -> dict[str, object]:
    """A table in the source's metadata; empty where what stands there is none."""
    try:
        table = json.loads(source.header.metadata.get(name, ""))
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
