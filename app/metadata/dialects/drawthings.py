"""Draw Things: XMP with a JSON object in `exif:UserComment`, or the object in the EXIF comment of a JPEG."""

import html
import re
from collections.abc import Mapping
from typing import Any

from app.metadata.dialects.told import Told, number
from app.metadata.json_text import as_dict, as_list, json_object
from app.metadata.record import PictureRecord, Recipe

_CREATOR = "Draw Things"
_USED = frozenset(
    ("c", "uc", "steps", "sampler", "scale", "seed", "size", "model", "strength", "clip_skip", "lora", "profile", "v2", "upscaler")
)
_PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z ]{1,40}): ([^,]*)")
_MAX_XMP = 8 * 1024**2


class DrawThings:
    """Where the JSON is missing, the description is read."""

    name = "drawthings"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        if "c" in record.data and {"sampler", "v2"} & record.data.keys():
            return _read(record.data).recipe(self.name, record.text)
        xmp = (record.items.get("XML:com.adobe.xmp") or record.items.get("xmp") or "")[:_MAX_XMP]
        if _CREATOR not in xmp:
            return None
        raw = xmp_text(xmp, "exif:UserComment")
        said = json_object(raw)
        if said is not None:
            return _read(said).recipe(self.name, raw)
        description = xmp_text(xmp, "dc:description")
        return _described(description).recipe(self.name, description) if description else None


def xmp_text(xmp: str, name: str) -> str:
    """The text of the first list item in an element of that name, or the element's own; entities are resolved once."""
    start = xmp.find(f"<{name}>")
    end = xmp.find(f"</{name}>", start)
    if start < 0 or end < 0:
        return ""
    inner = xmp[start + len(name) + 2 : end]
    item = inner.find("<rdf:li")
    if item >= 0:
        begin, stop = inner.find(">", item) + 1, inner.find("</rdf:li>", item)
        inner = inner[begin:stop] if 0 < begin <= stop else ""
    return html.unescape(inner)


def _read(said: Mapping[str, Any]) -> Told:
    config = as_dict(said.get("v2"))
    told = Told(str(said.get("c") or ""), str(said.get("uc") or ""))
    told.put("Steps", said.get("steps"))
    told.put_sampler(said.get("sampler"))
    told.put("CFG scale", said.get("scale"))
    told.put("Seed", said.get("seed"))
    width, _, height = str(said.get("size") or "").partition("x")
    told.put_size(width or config.get("width"), height or config.get("height"))
    told.put_model(said.get("model"))
    for lora in as_list(said.get("lora")) or as_list(config.get("loras")):
        one = as_dict(lora)
        told.put_lora(one.get("model") or one.get("file"), one.get("weight"))
    skip = number(said.get("clip_skip", config.get("clipSkip")))
    if skip is not None and skip > 1:
        told.put("Clip skip", int(skip))
    strength = number(said.get("strength"))
    if strength is not None and strength < 1:
        told.put("Denoising strength", strength)
    told.keep(said, _USED)
    if config.get("upscaler") or said.get("upscaler"):
        told.keep({"Upscaler": said.get("upscaler") or config.get("upscaler")})
    return told


def _described(text: str) -> Told:
    """The description: the prompt, `-negative` on the second line, settings on the last one."""
    lines = text.strip().split("\n")
    told = Told(lines[0], lines[1][1:] if len(lines) > 2 and lines[1].startswith("-") else "")
    said = dict(_PAIR.findall(lines[-1]))
    told.put("Steps", said.get("Steps"))
    told.put_sampler(said.get("Sampler"))
    told.put("CFG scale", said.get("Guidance Scale"))
    told.put("Seed", said.get("Seed"))
    width, _, height = said.get("Size", "").partition("x")
    told.put_size(width, height)
    told.put_model(said.get("Model"))
    strength = number(said.get("Strength"))
    if strength is not None and strength < 1:
        told.put("Denoising strength", strength)
    told.put_lora(said.get("LoRA Model"), said.get("LoRA Weight"))
    used = ("Steps", "Sampler", "Guidance Scale", "Seed", "Size", "Model", "Strength", "LoRA Model", "LoRA Weight")
    told.keep(said, used)
    return told
