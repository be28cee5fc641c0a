"""Fooocus and its relatives (RuinedFooocus, FooocusPlus, MRE): one JSON object, whose keys differ in spelling only."""

import re
from collections.abc import Mapping
from typing import Any

from app.metadata.dialects.told import Told
from app.metadata.json_text import as_list, json_object
from app.metadata.record import PictureRecord, Recipe

_NUMBERS = re.compile(r"\d{1,6}")
_COMBINED = re.compile(r"(.+?) ?: ?(-?[\d.]+)")
_RUINED_LORA = re.compile(r"(-?[\d.]+) - (.+)")
_RUINED_TAG = re.compile(r"<([^:<>]+):(-?[\d.]+)>")
_USED = frozenset(
    (
        "prompt",
        "negativeprompt",
        "negative",
        "steps",
        "guidancescale",
        "cfg",
        "sampler",
        "samplername",
        "scheduler",
        "basemodel",
        "basemodelname",
        "basemodelhash",
        "model",
        "modelhash",
        "seed",
        "resolution",
        "width",
        "height",
        "clipskip",
        "loras",
        "vae",
        "fullprompt",
        "fullnegativeprompt",
        "denoise",
        "realprompt",
        "realnegativeprompt",
        "size",
        "lorahashes",
        "loraweights",
    )
)


class Fooocus:
    """The user's own prompt is the prompt; styles and expansion stay visible beside it."""

    name = "fooocus"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        for raw in (record.text, record.items.get("Comment", "")):
            said = record.data if raw is record.text else json_object(raw)
            if said and _is_theirs(spelt := {_key(name): value for name, value in said.items()}):
                return _read(spelt, said, record).recipe(self.name, raw)
        return None


def _key(name: object) -> str:
    return re.sub(r"[\W_]", "", str(name)).casefold()


def _is_theirs(said: Mapping[str, Any]) -> bool:
    if not {"prompt", "seed"} <= said.keys() or "suiimageparams" in said:
        return False
    return bool({"basemodel", "basemodelname", "performance", "metadatascheme"} & said.keys())


def _read(said: Mapping[str, Any], own: Mapping[str, Any], record: PictureRecord) -> Told:
    told = Told(str(said.get("prompt") or ""), str(said.get("negativeprompt") or said.get("negative") or ""))
    told.put("Steps", said.get("steps"))
    told.put_sampler(said.get("sampler") or said.get("samplername"), said.get("scheduler"))
    told.put("CFG scale", said.get("guidancescale", said.get("cfg")))
    told.put("Seed", said.get("seed"))
    sides = _NUMBERS.findall(str(said.get("resolution") or said.get("size") or ""))
    told.put_size(*(sides[:2] if len(sides) >= 2 else (said.get("width"), said.get("height"))))
    told.put_model(said.get("basemodel") or said.get("basemodelname") or said.get("model"), said.get("basemodelhash"))
    if (vae := str(said.get("vae") or "")) and not vae.startswith("Default"):
        told.put("VAE", vae)
    told.put("Clip skip", said.get("clipskip"))
    told.put("Denoising strength", said.get("denoise"))
    _loras(told, said)
    used = {name for name in own if _key(name) in _USED or _key(name).startswith("loracombined")}
    if str(said.get("fullprompt") or "") not in ("", told.prompt):
        told.keep({"Full prompt": said.get("fullprompt"), "Full negative prompt": said.get("fullnegativeprompt")})
    told.keep(own, used)
    return told


def _loras(told: Told, said: Mapping[str, Any]) -> None:
    listed = said.get("loras")
    for lora in as_list(listed):
        if isinstance(lora, list) and len(lora) >= 2:
            ruined = _RUINED_LORA.fullmatch(str(lora[1]))
            told.put_lora(*((ruined[2], ruined[1]) if ruined else (lora[0], lora[1])))
    if isinstance(listed, str):
        for name, weight in _RUINED_TAG.findall(listed[:100_000]):
            told.put_lora(name, weight)
    if not told.loras:
        for name, value in said.items():
            found = _COMBINED.fullmatch(str(value)[:1000]) if re.fullmatch(r"(?:loracombined|lora)\d+", name) else None
            if found:
                told.put_lora(found[1].strip(), found[2])
