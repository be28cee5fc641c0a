"""NovelAI: `Software` names it, `Description` is the prompt, `Comment` is a JSON object with the settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.metadata.dialects.told import WEIGHED, Told
from app.metadata.dialects.weights import Weigh, novelai_weights
from app.metadata.dialects.words import sampler_words
from app.metadata.infotext import format_infotext
from app.metadata.json_text import as_dict, as_list, json_object
from app.metadata.record import PictureRecord, Recipe

_USED = frozenset(
    (
        "prompt",
        "uc",
        "steps",
        "sampler",
        "scale",
        "seed",
        "width",
        "height",
        "noise_schedule",
        "signed_hash",
        "v4_prompt",
        "v4_negative_prompt",
    )
)


class NovelAI:
    """Shows what A1111 does, Clip skip 2 and ENSD 31337 for every picture of theirs; `infotext` also has what it leaves out."""

    name = "novelai"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures and for a Comment that is no JSON object."""
        items = _items(record)
        comment = items.get("Comment", "")
        said = json_object(comment) if _is_theirs(items) else None
        if said is None:
            return None
        plain = _as_a1111(items, said, record)
        if "prompt" not in said and "width" not in said:  # 2022: A1111 knows all of it but the model
            model = items.get("Source", "")
            infotext, weighed = (_as_a1111(items, said, record, weigh, model) for weigh in (str, novelai_weights))
            if weighed == infotext:
                return Recipe(self.name, infotext, comment, shown=plain)
            return Recipe(self.name, infotext, comment, (WEIGHED,), shown=plain, usable=weighed)
        told = Told(_prompt(said, items), _negative(said))
        told.put("Steps", said.get("steps"))
        told.put_sampler(said.get("sampler"), said.get("noise_schedule"))
        told.put("CFG scale", said.get("scale"))
        told.put("Seed", said.get("seed"))
        told.put_size(said.get("width") or record.width, said.get("height") or record.height)
        told.put("Model", items.get("Source"))
        if str(said.get("request_type", "")).startswith(("Img2Img", "Native")):
            told.put("Denoising strength", said.get("strength"))
        told.put("Clip skip", 2)
        told.put("ENSD", 31337)
        told.keep({name: value for name, value in said.items() if not isinstance(value, dict)}, _USED)
        return replace(told.recipe(self.name, comment, weigh=novelai_weights), shown=plain)


def _items(record: PictureRecord) -> Mapping[str, str]:
    """The texts by NovelAI's PNG keywords, also from WebP, where they stand in EXIF and the comment is wrapped once more."""
    if "Comment" in record.items or "Software" in record.items:
        return record.items
    if "Comment" in record.data:
        inner = record.data["Comment"]
        said = {name: str(value) for name, value in record.data.items() if isinstance(value, str)}
        tags = {"Description": record.tags.get("ImageDescription", "").strip("\x00 "), "Software": "NovelAI"}
        source = {"Source": record.tags["Software"]} if "Software" in record.tags else {}
        return {**tags, **source, **said, "Comment": inner if isinstance(inner, str) else ""}
    return {}


def _is_theirs(items: Mapping[str, str]) -> bool:
    """Re-savers drop `Software`, but not NovelAI's signature or the shape of its requests."""
    if items.get("Software") == "NovelAI" or "NovelAI" in items.get("Source", ""):
        return True
    comment = items.get("Comment", "")
    return '"request_type"' in comment or '"signed_hash"' in comment


def _as_a1111(items: Mapping[str, str], said: Mapping[str, Any], record: PictureRecord, weigh: Weigh = str, model: str = "") -> str:
    """The infotext that A1111 makes of it, which has no model."""
    sampler = said.get("sampler")
    fields = [
        ("Steps", said.get("steps")),
        ("Sampler", sampler_words(str(sampler))[0] if sampler else None),
        ("CFG scale", said.get("scale")),
        ("Seed", said.get("seed")),
        ("Size", f"{record.width}x{record.height}"),
        ("Model", model or None),
        ("Clip skip", 2),
        ("ENSD", 31337),
    ]
    prompt = items.get("Description") or str(said.get("prompt") or "")
    return format_infotext(weigh(prompt), weigh(str(said.get("uc") or "")), fields)


def _prompt(said: Mapping[str, Any], items: Mapping[str, str]) -> str:
    caption = as_dict(as_dict(said.get("v4_prompt")).get("caption"))
    base = said.get("prompt") or caption.get("base_caption") or items.get("Description") or ""
    return _with_characters(str(base), caption)


def _negative(said: Mapping[str, Any]) -> str:
    caption = as_dict(as_dict(said.get("v4_negative_prompt")).get("caption"))
    return _with_characters(str(said.get("uc") or caption.get("base_caption") or ""), caption)


def _with_characters(base: str, caption: Mapping[str, Any]) -> str:
    """Characters have captions of their own since V4; here they follow the scene's."""
    own = [str(as_dict(character).get("char_caption") or "").strip() for character in as_list(caption.get("char_captions"))]
    return "\n".join([base, *(text for text in own if text)])
