"""Which checkpoint is meant where none is named."""

import contextlib

from app.models.catalog import Catalog
from app.models.embedded import EMBEDDED_ALL
from app.models.facts import ModelFile
from app.schema.errors import BadModelFile, UnknownName


def chosen_checkpoint(catalog: Catalog, preferred: str) -> ModelFile | None:
    """The preferred checkpoint (the options'), else the first that can be loaded, by name; None: there is none."""
    if preferred:
        with contextlib.suppress(UnknownName):
            return catalog.find(preferred)
    usable = (file for file in catalog.checkpoints() if file.problem is None)
    return min(usable, key=_rank, default=None)


def text_encoder_named(catalog: Catalog, name: str) -> str:
    """File name of the checkpoint whose text encoders are meant (title, file name, bare name or hash); empty for None and Automatic.

    UnknownName for one that is not here, BadModelFile for one that cannot be loaded.
    """
    if name in ("", "None", "Automatic"):
        return ""
    try:
        file = catalog.find(name)
    except UnknownName as error:
        raise UnknownName("text encoder", name, [each.name for each in catalog.checkpoints() if each.problem is None]) from error
    if file.problem:
        raise BadModelFile(f"{file.filename}: {file.problem}")
    return file.filename


def _rank(file: ModelFile) -> int:
    """The user's own, by name; then what comes along, the newest first."""
    return EMBEDDED_ALL.index(file.name) + 1 if file.name in EMBEDDED_ALL else 0
