"""What a file's name says where the file itself says nothing: a seed, or a prompt, as CompVis' scripts and their heirs name files."""

import re

from app.metadata.dialects.told import Told
from app.metadata.record import PictureRecord, Recipe

_NUMBERED = re.compile(r"(\d{5,6})[.\-](\d{1,20})(?:[.\-_](.+))?")
"""A1111 `00014-1449410826-words`, lstein's dream `000014.1449410826`."""
_SEEDED = re.compile(r"(?:.*[_\- ])?seed[_\-= ]?(\d{1,20})(?:[_\-. ].*)?", re.IGNORECASE)
"""CompVis forks: `seed_27_00000`."""
_WORDS = re.compile(r"[^\W\d_]{1,40}(?:[ _][^\W\d_]{1,40}){3,40}(?:[ _]\d{1,6})?")
"""diffusers' examples and many scripts: the prompt itself, `a_photo_of_an_astronaut_riding_a_horse`."""
_MAX_CHARS = 255


class FileNames:
    """The last resort; what it finds is said to be a guess."""

    name = "file name"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """A seed or a prompt; None if the name says neither, or the picture has a text."""
        stem = record.name.rsplit(".", 1)[0][:_MAX_CHARS]
        if record.text or not stem:
            return None
        told = Told()
        if found := _NUMBERED.fullmatch(stem):
            told.put("Seed", found[2])
            told.prompt = (found[3] or "").replace("_", " ")
        elif found := _SEEDED.fullmatch(stem):
            told.put("Seed", found[1])
        elif _WORDS.fullmatch(stem):
            told.prompt = re.sub(r"[ _]\d{1,6}$", "", stem).replace("_", " ")
        if told.is_empty:
            return None
        told.warnings.append("The picture tells no settings; what is shown is guessed from the name of its file.")
        return told.recipe(self.name, record.name)
