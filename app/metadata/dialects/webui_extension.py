"""Extensions of A1111 and Forge with models of their own (PixArt, Hunyuan, Cascade, SD3): fewer words than an infotext has."""

import re

from app.metadata.dialects.told import Told
from app.metadata.record import PictureRecord, Recipe

_PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z ]{1,30}): ?([^,]*)")
_LABELS = ("Model: ", "Prompt: ", "Negative: ", "Negative prompt: ")
_USED = frozenset(("Model", "Size", "Seed", "Steps", "CFG", "Scheduler", "Sampler", "Denoise"))


class WebuiExtension:
    """`CFG:` instead of `CFG scale:`, and no line that begins with `Steps:`."""

    name = "webui-extension"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        lines = record.text.strip().replace("\r\n", "\n").split("\n")
        said = {name: value.strip() for name, value in _PAIR.findall(lines[-1])}
        if lines[-1].startswith("Steps: ") or "Seed" not in said or "CFG" not in said:
            return None
        texts = {"Prompt: ": "", "Negative: ": "", "Model: ": said.get("Model", "")}
        current = "Prompt: "
        for line in lines[:-1]:
            label = next((label for label in _LABELS if line.startswith(label)), None)
            if label is not None:
                current = "Negative: " if label.startswith("Negative") else label
                line = line.removeprefix(label)
            texts[current] = f"{texts[current]}\n{line}".strip("\n")
        told = Told(texts["Prompt: "].strip(), texts["Negative: "].strip())
        told.put("Steps", said.get("Steps"))
        told.put_sampler(said.get("Sampler") or said.get("Scheduler"))
        told.put("CFG scale", said.get("CFG", "").partition(" ")[0])
        told.put("Seed", said.get("Seed"))
        width, _, height = said.get("Size", "").partition("x")
        told.put_size(width, height)
        told.put("Model", texts["Model: "].strip())
        told.put("Denoising strength", said.get("Denoise"))
        told.keep(said, _USED)
        return told.recipe(self.name, record.text)
