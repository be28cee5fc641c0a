"""Which checkpoint is meant where none is named."""

import contextlib

from app.models.catalog import Catalog
from app.models.facts import ModelFile
from app.schema.errors import UnknownName

EMBEDDED = "pocket-emoji-v1"
"""The checkpoint that comes with Darkroom; one of the user's own is chosen before it."""


def chosen_checkpoint(catalog: Catalog, preferred: str) -> ModelFile | None:
    """The preferred checkpoint (the options'), else the first that can be loaded, by name; None: there is none."""
    if preferred:
        with contextlib.suppress(UnknownName):
            return catalog.find(preferred)
    usable = (file for file in catalog.checkpoints() if file.problem is None)
    return min(usable, key=lambda file: file.name == EMBEDDED, default=None)
