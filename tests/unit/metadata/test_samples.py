"""Real pictures of many programs: every setting that they tell comes back, in A1111's words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.metadata import PictureRecord, params_from_infotext, parse_infotext, read_picture, read_text
from app.metadata.dialects.told import model_name
from app.metadata.dialects.words import sampler_words, schedule_word

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
INDEX: list[dict[str, Any]] = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
LABELS = {
    "prompt": "Prompt", "negative_prompt": "Negative prompt", "steps": "Steps", "cfg_scale": "CFG scale", "seed": "Seed", "width": "Size-1",
    "height": "Size-2", "model": "Model", "model_hash": "Model hash", "vae": "VAE", "clip_skip": "Clip skip", "sampler": "Sampler",
    "scheduler": "Schedule type", "denoising_strength": "Denoising strength",
}  # fmt: skip
HIRES = {"upscale": "Hires upscale", "steps": "Hires steps", "upscaler": "Hires upscaler"}
TAGS = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")
DIALECTS = {
    "a1111-stealth": "a1111", "civitai": "civitai", "comfyui": "comfyui", "drawthings": "drawthings", "easydiffusion": "easydiffusion",
    "fooocus": "fooocus", "fooocusplus": "fooocus", "ruinedfooocus": "fooocus", "huggingface-space": "huggingface", "invokeai": "invokeai",
    "mochi": "mochi", "novelai": "novelai", "sdnext": "sdnext", "sdcpp": "sdcpp",
    "stabilitymatrix": "stabilitymatrix", "swarmui": "swarmui",
    "webui-extension": "webui-extension", "forge": "forge", "reforge": "forge", "forge-neo": "forge", "forge-classic": "forge",
}  # fmt: skip


def read(entry: dict[str, Any]) -> PictureRecord:
    return read_picture((SAMPLES / entry["file"]).read_bytes())


def text(value: object) -> str:
    """Without tags, and with blanks and commas as one writes them."""
    plain = re.sub(r"\s+", " ", TAGS.sub(" ", str(value or "")))
    return re.sub(r"(\s*,\s*)+", ", ", plain).strip(" ,")


def plain(name: str, value: object) -> object:
    """A value as it is compared: other programs' names in A1111's words, files without ending."""
    if name in ("prompt", "negative_prompt"):
        return text(value)
    if name == "sampler":
        return sampler_words(str(value))[0]
    if name == "scheduler":
        return {"Normal": "Automatic"}.get(schedule_word(str(value)), schedule_word(str(value)))
    if name == "model_hash":
        return str(value).casefold()
    if name in ("model", "vae"):
        return model_name(value)
    return float(str(value)) if name not in ("seed",) else int(str(value))


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_every_field_comes_back(entry: dict[str, Any]) -> None:
    record = read(entry)
    said = parse_infotext(record.infotext)
    sampler, schedule = sampler_words(str(said.get("Sampler", "")))
    if schedule and said.get("Schedule type") == "Automatic":  # A1111 before 1.9 has both in one name
        said |= {"Schedule type": schedule}
    for name, label in LABELS.items():
        if name not in entry["expect"]:
            continue
        wanted = [entry["expect"][name], *entry.get("alt", {}).get(name, [])]
        assert plain(name, said.get(label, "")) in [plain(name, value) for value in wanted], name
    for name, label in HIRES.items():
        if name in entry["expect"].get("hires", {}):
            assert str(said[label]).rstrip("0").rstrip(".") == str(entry["expect"]["hires"][name]).rstrip("0").rstrip(".")
    tags = dict(re.findall(r"<lora:([^:<>]+):([\d.]+)", str(said["Prompt"])))
    for lora in entry["expect"].get("loras", []):
        assert float(tags[lora["name"]]) == pytest.approx(lora["weight"], abs=1e-3)
    assert sampler or "sampler" not in entry["expect"]


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_dialect_raw_text_and_settings(entry: dict[str, Any]) -> None:
    record = read(entry)
    assert record.recipe is not None and record.source
    assert record.recipe.dialect == DIALECTS.get(entry["program"], record.recipe.dialect)
    assert record.recipe.raw, "what the program wrote is kept"
    restored = params_from_infotext(record.infotext)
    assert {"prompt", "steps", "seed"} <= restored.values.keys()
    assert not [words for words in restored.warnings if "left out" in words and "'1'" not in words]  # a picture of one pixel


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_reading_twice_changes_nothing(entry: dict[str, Any]) -> None:
    """An infotext made of a dialect is one that our own reader takes as it is."""
    once = read(entry).infotext
    again = read_text(once)
    assert parse_infotext(again.infotext) == parse_infotext(once)
