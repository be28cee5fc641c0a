"""Dialects: how each program writes a picture's settings. Every one of them is brought to A1111's infotext.

A new dialect is a file here and a line in `DIALECTS`.
"""

from collections.abc import Sequence
from typing import Protocol

from app.metadata.dialects.a1111 import A1111
from app.metadata.dialects.novelai import NovelAI
from app.metadata.dialects.recipe import Recipe
from app.metadata.record import PictureRecord


class Dialect(Protocol):
    """One program's way to write settings."""

    name: str

    def parse(self, record: PictureRecord) -> Recipe | None:
        """What the record says; None if it is another program's picture, or ours is unreadable."""
        ...


DIALECTS: tuple[Dialect, ...] = (
    NovelAI(),
    A1111(),
)
"""From strict to lax: the first one that knows a record is believed."""


def read_recipe(record: PictureRecord, dialects: Sequence[Dialect] = DIALECTS) -> Recipe | None:
    """What the first dialect that knows the record makes of it; None if none does."""
    return next((recipe for dialect in dialects if (recipe := dialect.parse(record)) is not None), None)
