"""A1111's own dialect, which its forks and many other programs write too: the text is the infotext."""

from app.metadata.dialects.recipe import Recipe
from app.metadata.record import PictureRecord


class A1111:
    """Takes any text as it is, as A1111 does: a text without settings is a prompt."""

    name = "a1111"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The record's text; None if it has none."""
        return Recipe(self.name, record.text) if record.text else None
