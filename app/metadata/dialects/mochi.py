"""Mochi Diffusion: `Include in Image: ...; Exclude from Image: ...; Model: ...` in the EXIF description or IPTC's caption."""

import re

from app.metadata.dialects.told import Told
from app.metadata.record import PictureRecord, Recipe

_KEYS = (
    "Include in Image", "Exclude from Image", "Model", "Steps", "Guidance Scale", "Seed", "Size", "Upscaler", "Scheduler",
    "ML Compute Unit", "Generator", "Date", "Metadata Version", "ControlNet", "Starting Image", "Strength", "Safety Checker",
)  # fmt: skip
_FIRST = "Include in Image:"
_PAIR = re.compile(rf"(?:^|; |;|\n)\s*({'|'.join(_KEYS)}): ?")
_ESCAPED = re.compile(r"\\([\\nr])")
_USED = frozenset(("Include in Image", "Exclude from Image", "Model", "Steps", "Guidance Scale", "Seed", "Size", "Scheduler", "Strength"))


class Mochi:
    """Prompts may hold semicolons, so the text is split at the known labels."""

    name = "mochi"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        texts = (record.tags.get("ImageDescription", ""), record.tags.get("Caption", ""), record.text, record.items.get("Description", ""))
        raw = next((text for text in texts if _FIRST in text[:200]), "")
        if not raw:
            return None
        said = _fields(raw)
        told = Told(said.get("Include in Image", ""), said.get("Exclude from Image", ""))
        told.put("Steps", said.get("Steps"))
        told.put_sampler(said.get("Scheduler"))
        told.put("CFG scale", said.get("Guidance Scale"))
        told.put("Seed", said.get("Seed"))
        width, _, height = said.get("Size", "").partition("x")
        told.put_size(width, height)
        told.put_model(said.get("Model"))
        told.put("Denoising strength", said.get("Strength"))
        told.keep(said, _USED)
        return told.recipe(self.name, raw)


def _fields(raw: str) -> dict[str, str]:
    """Label to value; version 2 has a line a label and escapes within it."""
    is_lines = "Metadata Version" in raw
    found: dict[str, str] = {}
    marks = list(_PAIR.finditer(raw))
    for mark, following in zip(marks, [*marks[1:], None], strict=False):
        value = raw[mark.end() : following.start() if following else len(raw)]
        if is_lines:
            value = _ESCAPED.sub(lambda part: {"n": "\n", "r": "\r"}.get(part[1], part[1]), value)
        found.setdefault(mark[1], value.strip("\n\x00"))
    return found
