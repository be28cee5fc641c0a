"""Programs whose pictures say little, each in a few lines: Sygil's web UI, Midjourney."""

import re

from app.metadata.dialects.told import Told
from app.metadata.record import PictureRecord, Recipe

_JOB = re.compile(r"\s*Job ID: ?[0-9a-f-]{36}\s*$")


class Sygil:
    """hlky's and Sygil's web UI: one text chunk a field, `SD:prompt`, `SD:steps` ..."""

    name = "sygil"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        said = {name[3:]: text for name, text in record.items.items() if name.startswith("SD:")}
        if "prompt" not in said and "seed" not in said:
            return None
        prompt, _, negative = said.get("prompt", "").partition("###")
        told = Told(prompt.strip(), said.get("negative_prompt") or negative.strip())
        told.put("Steps", said.get("steps") or said.get("ddim_steps"))
        told.put_sampler(said.get("sampler_name") or said.get("sampler"))
        told.put("CFG scale", said.get("cfg_scale"))
        told.put("Seed", said.get("seed"))
        told.put_size(said.get("width") or record.width, said.get("height") or record.height)
        told.put("Denoising strength", said.get("denoising_strength"))
        used = ("prompt", "negative_prompt", "steps", "ddim_steps", "sampler_name", "sampler", "cfg_scale", "seed", "width", "height")
        told.keep(said, (*used, "denoising_strength"))
        return told.recipe(self.name, "\n".join(f"{name}: {text}" for name, text in said.items()))


class Midjourney:
    """The prompt with its flags, and nothing else that could be made again elsewhere."""

    name = "midjourney"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The prompt; None for other programs' pictures."""
        raw = record.items.get("Description") or record.tags.get("ImageDescription", "")
        if not _JOB.search(raw):
            return None
        prompt, _, flags = _JOB.sub("", raw).partition(" --")
        told = Told(prompt.strip())
        told.warnings.append("Midjourney tells its prompt only; the picture cannot be made again here.")
        if flags:
            told.warnings.append(f"Its flags mean nothing here: --{flags.strip()[:200]}")
        return told.recipe(self.name, raw)
