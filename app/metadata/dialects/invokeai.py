"""InvokeAI in its four generations: Dream's command line, `sd-metadata`, `invokeai`, `invokeai_metadata`."""

import re
from collections.abc import Mapping
from typing import Any

from app.metadata.dialects.told import Told, number, whole
from app.metadata.dialects.weights import invokeai_weights
from app.metadata.json_text import as_dict, as_list, json_object
from app.metadata.record import PictureRecord, Recipe

_QUOTED = re.compile(r'\s*"((?:\\.|[^"\\])*)"')
_FIRST_SWITCH = re.compile(r"(?:^|\s)(?:--([a-z_]+)[ =]?|-([A-Za-z]))\s*(\"[^\"]*\"|(?!-[A-Za-z-])\S*)")
_SWITCH = re.compile(r"""(?:^|\s)(?:--([a-z_]+)[ =]?|-([A-Za-z]))\s*("[^"]*"|(?!-[A-Za-z-])\S*)""")
_LONG = {"steps": "s", "seed": "S", "width": "W", "height": "H", "cfg_scale": "C", "sampler": "A", "strength": "f", "model": "m"}
_BRACKETS = re.compile(r"(?<!\\)\[([^\[\]]*)\]")
_DREAM_USED = frozenset("sSWHCAf")
_METADATA_USED = frozenset(
    (
        "positive_prompt",
        "negative_prompt",
        "seed",
        "steps",
        "cfg_scale",
        "scheduler",
        "width",
        "height",
        "model",
        "vae",
        "loras",
        "clip_skip",
        "strength",
    )
)
_IMAGE_USED = frozenset(("prompt", "steps", "cfg_scale", "seed", "width", "height", "sampler", "strength", "strength_steps"))


class InvokeAI:
    """The newest generation that stands in the file is believed."""

    name = "invokeai"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        items = record.items
        for keyword, read in (("invokeai_metadata", _read_metadata), ("invokeai", _read_metadata), ("sd-metadata", _read_sd_metadata)):
            said = json_object(items.get(keyword))
            if said and (told := read(said)) is not None:
                return told.recipe(self.name, items[keyword], weigh=invokeai_weights)
        if items.get("Dream", "").strip():
            return _read_dream(items["Dream"]).recipe(self.name, items["Dream"], weigh=invokeai_weights)
        if "app_version" in record.data and "positive_prompt" in record.data and (told := _read_metadata(record.data)) is not None:
            return told.recipe(self.name, record.text, weigh=invokeai_weights)
        return None


# ---------------------------------------------------------------- 3 and later


def _read_metadata(said: Mapping[str, Any]) -> Told | None:
    if ("prompt" in said and "positive_prompt" not in said) or not {"positive_prompt", "seed", "model", "steps"} & said.keys():
        said = as_dict(said.get("node") or said.get("metadata")) or said
        return _read_node(said)
    told = Told(str(said.get("positive_prompt") or ""), str(said.get("negative_prompt") or ""))
    told.put("Steps", said.get("steps"))
    told.put_sampler(said.get("scheduler"))
    told.put("CFG scale", said.get("cfg_scale"))
    told.put("Seed", said.get("seed"))
    told.put_size(said.get("width"), said.get("height"))
    model = as_dict(said.get("model"))
    name = model.get("model_name") or model.get("name") or (said.get("model") if isinstance(said.get("model"), str) else None)
    told.put_model(name, _file_hash(model.get("hash")))
    vae = as_dict(said.get("vae"))
    told.put("VAE", vae.get("model_name") or vae.get("name"))
    for lora in as_list(said.get("loras")):
        one = as_dict(lora)
        inner = as_dict(one.get("lora") or one.get("model"))
        told.put_lora(inner.get("model_name") or inner.get("name") or one.get("name"), one.get("weight"))
    skipped = whole(said.get("clip_skip"))
    if skipped:
        told.put("Clip skip", skipped + 1)
    told.put("Denoising strength", said.get("strength"))
    told.keep(said, _METADATA_USED)
    if model.get("hash") and "Model hash" not in told.fields:
        told.keep({"InvokeAI model hash": model["hash"]})
    return told


def _file_hash(value: object) -> object:
    """Only a sha256 of the file itself means something elsewhere; `blake3:` and the rest are InvokeAI's own."""
    text = str(value or "")
    return text if ":" not in text else text.removeprefix("sha256:") if text.startswith("sha256:") else None


def _read_node(said: Mapping[str, Any]) -> Told | None:
    """The pre-releases of 3.0 wrote the node that made the picture."""
    if not {"prompt", "seed"} <= said.keys():
        return None
    told = Told(*_split_brackets(str(said.get("prompt") or "")))
    told.put("Steps", said.get("steps"))
    told.put_sampler(said.get("scheduler") or said.get("sampler_name"))
    told.put("CFG scale", said.get("cfg_scale"))
    told.put("Seed", said.get("seed"))
    told.put_size(said.get("width"), said.get("height"))
    told.put_model(said.get("model"))
    told.keep(said, (*_METADATA_USED, "prompt", "id"))
    return told


# ---------------------------------------------------------------- 1.15 to 2.3


def _read_sd_metadata(said: Mapping[str, Any]) -> Told | None:
    images = as_list(said.get("images"))
    image = as_dict(said.get("image")) or as_dict(images[0] if images else None)
    if not image:
        return None
    prompt = image.get("prompt")
    parts = [str(as_dict(part).get("prompt") or "") for part in as_list(prompt)] if isinstance(prompt, list) else [str(prompt or "")]
    told = Told(*_split_brackets(" ".join(part for part in parts if part)))
    told.put("Steps", image.get("steps"))
    told.put_sampler(image.get("sampler"))
    told.put("CFG scale", image.get("cfg_scale"))
    told.put("Seed", image.get("seed"))
    told.put_size(image.get("width"), image.get("height"))
    told.put_model(said.get("model_weights") or said.get("model_id"), said.get("model_hash"))
    if image.get("type") == "img2img" or image.get("init_image_path") or image.get("orig_hash"):
        steps, done = number(image.get("steps")), number(image.get("strength_steps"))
        told.put("Denoising strength", image.get("strength", done / steps if steps and done else None))
    told.keep({name: value for name, value in image.items() if name not in _IMAGE_USED and name != "model"})
    told.keep(
        {name: value for name, value in said.items() if name not in ("image", "images", "model_weights", "model_id", "model_hash", "model")}
    )
    return told


def _split_brackets(text: str) -> tuple[str, str]:
    """(prompt, negative prompt): until 2.3 the negative prompt stood in [brackets] inside the prompt."""
    negative = [part.strip() for part in _BRACKETS.findall(text)]
    if not negative:
        return text, ""
    return re.sub(r"[ \t]{2,}", " ", _BRACKETS.sub(" ", text)).strip(), ", ".join(part for part in negative if part)


# ---------------------------------------------------------------- 2022


def _read_dream(line: str) -> Told:
    """A command line of dream.py; the prompt is in quotes, or ends where the first switch begins."""
    line = line.strip("\x00\n ")
    quoted = _QUOTED.match(line)
    if quoted:
        prompt, rest = quoted[1].replace('\\"', '"'), line[quoted.end() :]
    else:
        begins = _FIRST_SWITCH.search(line)
        prompt, rest = (line[: begins.start()], line[begins.start() :]) if begins else (line, "")
    said: dict[str, str] = {}
    for long, short, value in _SWITCH.findall(rest[:20_000]):
        name = _LONG.get(long, long) if long else short
        said.setdefault(name, value.strip("\"'"))
    told = Told(*_split_brackets(prompt.strip()))
    told.put("Steps", said.get("s"))
    told.put_sampler(said.get("A"))
    told.put("CFG scale", said.get("C"))
    told.put("Seed", said.get("S"))
    told.put_size(said.get("W"), said.get("H"))
    if "I" in said or "init_img" in said:
        told.put("Denoising strength", said.get("f"))
    variation = re.match(r"(\d{1,20})[:,](-?[\d.]{1,20})", said.get("V", ""))
    if variation:
        told.put("Variation seed", variation[1])
        told.put("Variation seed strength", variation[2])
    told.keep({f"Dream {name}": value or True for name, value in said.items() if name not in _DREAM_USED})
    return told
