"""From a checkpoint's file to its facts: header, family, hints."""

from pathlib import Path

from app.models.facts import CheckpointFacts
from app.models.families import recognise
from app.models.header import Header, read_safetensors_header
from app.models.hints import Hints, hints_from_metadata, hints_from_yaml, yaml_beside
from app.models.pickle_header import read_pickle_header


def read_header(path: Path) -> Header:
    """Names, formats and shapes of a model file's tensors; the ending says which of the two formats it has to be."""
    return read_safetensors_header(path) if path.suffix.lower() == ".safetensors" else read_pickle_header(path)


def read_facts(path: Path) -> CheckpointFacts:
    """Facts of a checkpoint.

    Raises BadModelFile if it cannot be loaded: one sentence that says why and does not repeat the file's name.
    """
    header = read_header(path)
    family = recognise(header)
    beside = yaml_beside(path)
    hints = hints_from_metadata(header.metadata).or_else(hints_from_yaml(beside) if beside else Hints())
    return family.facts(header, hints)
