"""From a checkpoint's file to its facts: header, family, hints."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from app.models.diffusers_folder import MARK, is_diffusers_folder, read_table, weight_files
from app.models.facts import CheckpointFacts
from app.models.families import recognise
from app.models.folder_hints import hints_from_folder
from app.models.forms import stored_names
from app.models.header import Header, TensorInfo, read_safetensors_header
from app.models.hints import Hints, hints_from_metadata, hints_from_tensors, hints_from_yaml, yaml_beside
from app.models.pickle_header import read_pickle_header
from app.models.png_embedding import read_png_header
from app.schema.errors import BadModelFile, shown

log = logging.getLogger(__name__)

T = TypeVar("T")


def read_header(path: Path) -> Header:
    """Names, formats and shapes of a model file's tensors; the ending says which of the formats it has to be.

    Those of a diffusers folder have the names of their networks before them, as in `unet.conv_in.weight`.
    """
    if is_diffusers_folder(path):
        return _folder_header(path)
    readers = {".safetensors": read_safetensors_header, ".png": read_png_header}
    return readers.get(path.suffix.lower(), read_pickle_header)(path)


def _folder_header(folder: Path) -> Header:
    tensors: dict[str, TensorInfo] = {}
    found = weight_files(folder)
    if "unet" not in found:
        index = read_table(folder, MARK)
        if index.get("unet") not in (None, [None, None]):
            raise BadModelFile("It is not complete: its folder unet has no weights. Download it again.")
        kind = shown(str(index.get("_class_name")))
        raise BadModelFile(f"This is a folder of diffusers' {kind}, a family that Darkroom does not load yet.")
    for part, files in found.items():
        for file in files:
            try:
                header = read_header(file)
            except BadModelFile as error:
                raise BadModelFile(f"Its {part}/{file.name} cannot be read. {error}") from error
            tensors |= {f"{part}.{name}": info for name, info in header.tensors.items()}
    return Header("folder", tensors, {})


def read_facts(path: Path, header: Header | None = None) -> CheckpointFacts:
    """Facts of a checkpoint, whose header may have been read before.

    Raises BadModelFile if it cannot be loaded: one sentence that says why and does not repeat the file's name.
    """
    said = hints_from_folder(path) if is_diffusers_folder(path) else Hints()
    header = header or read_header(path)
    header = replace(header, tensors={ours: header.tensors[theirs] for ours, theirs in stored_names(header.tensors.keys()).items()})
    family = recognise(header)
    beside = yaml_beside(path)
    hints = said.or_else(hints_from_tensors(header.tensors.keys())).or_else(hints_from_metadata(header.metadata))
    hints = hints.or_else(hints_from_yaml(beside)) if beside else hints
    return family.facts(header, hints)


def guarded(read: Callable[[Path], T], path: Path) -> T:
    """What `read` says of a file; BadModelFile for whatever it raises, so that no file can keep the others from being listed."""
    try:
        return read(path)
    except BadModelFile:
        raise
    except OSError as error:
        raise BadModelFile(f"The file cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # the readers' own fault, but one file's: the log has what it was
        log.exception("reading %s failed in a way that was not foreseen", path)
        raise BadModelFile(f"The file cannot be read ({type(error).__name__}); the server's log says more.") from error
