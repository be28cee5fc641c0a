"""Families of checkpoints, one file each, recognised by their tensors and never by a file's name.

Public: `recognise`. A new family is a file with `PLAN`, `recognises` and `facts`, and its name in `FAMILIES`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from app.models.facts import CheckpointFacts
from app.models.families import sd1, sd2, sdxl, sdxl_refiner
from app.models.families.others import what_it_is
from app.models.header import Header, TensorInfo
from app.models.hints import Hints
from app.schema.errors import BadModelFile

__all__ = ["FAMILIES", "Family", "recognise"]


class Family(NamedTuple):
    """How a family is recognised, and how its facts are read."""

    name: str
    recognises: Callable[[Mapping[str, TensorInfo]], bool]
    facts: Callable[[Header, Hints], CheckpointFacts]


FAMILIES: tuple[Family, ...] = tuple(Family(module.PLAN.name, module.recognises, module.facts) for module in (sd1, sd2, sdxl, sdxl_refiner))
"""The first one that recognises a file has it."""


def recognise(header: Header) -> Family:
    """The family of a checkpoint; BadModelFile with a sentence on what the file is instead, if none recognises it."""
    for family in FAMILIES:
        if family.recognises(header.tensors):
            return family
    raise BadModelFile(what_it_is(header.tensors))
