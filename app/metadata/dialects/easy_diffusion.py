"""Easy Diffusion: one text chunk a field in a PNG, a JSON object in EXIF or beside the picture, or lines of `Label: value`."""

import re
from collections.abc import Mapping
from typing import Any

from app.metadata.dialects.told import Told, is_on
from app.metadata.record import PictureRecord, Recipe

_LABELS = {
    "Prompt": "prompt",
    "Negative Prompt": "negative_prompt",
    "Seed": "seed",
    "Stable Diffusion model": "use_stable_diffusion_model",
    "VAE model": "use_vae_model",
    "Hypernetwork model": "use_hypernetwork_model",
    "Sampler": "sampler_name",
    "Scheduler": "scheduler_name",
    "Width": "width",
    "Height": "height",
    "Steps": "num_inference_steps",
    "Guidance Scale": "guidance_scale",
    "Prompt Strength": "prompt_strength",
    "LoRA model": "use_lora_model",
    "LoRA Strength": "lora_alpha",
    "Clip Skip": "clip_skip",
}
_ITEM = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^\[\],\s][^\[\],]*)")
_USED = frozenset(_LABELS.values())
_MARKS = frozenset(("use_stable_diffusion_model", "num_inference_steps", "guidance_scale", "sampler_name"))


class EasyDiffusion:
    """An unset field holds the text `None`."""

    name = "easydiffusion"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        for said in (record.items, record.data, _lines(record.text)):
            if "prompt" in said and len(_MARKS & said.keys()) >= 2 and "use_stable_diffusion_model" in said:
                raw = record.text or "\n".join(f"{name}: {value}" for name, value in said.items())
                told = {name: value for name, value in said.items() if value not in (None, "None", "")}
                return _read(told).recipe(self.name, raw)
        return None


def _lines(text: str) -> dict[str, str]:
    """The fields of a text file beside a picture."""
    if "Stable Diffusion model:" not in text:
        return {}
    labels = {label.casefold(): name for label, name in _LABELS.items()}
    pairs = (line.partition(": ") for line in text[:200_000].splitlines())
    return {labels.get(label.strip().casefold(), label): value.strip() for label, colon, value in pairs if colon}


def _read(said: Mapping[str, Any]) -> Told:
    told = Told(str(said.get("prompt") or ""), str(said.get("negative_prompt") or ""))
    told.put("Steps", said.get("num_inference_steps"))
    told.put_sampler(said.get("sampler_name"), said.get("scheduler_name"))
    told.put("CFG scale", said.get("guidance_scale"))
    told.put("Distilled CFG Scale", said.get("distilled_guidance_scale"))
    told.put("Seed", said.get("seed"))
    told.put_size(said.get("width"), said.get("height"))
    told.put_model(said.get("use_stable_diffusion_model"))
    told.put("VAE", str(said.get("use_vae_model") or "").replace("\\", "/").rsplit("/", 1)[-1])
    if is_on(said.get("clip_skip")) and str(said.get("clip_skip")) != "1":
        told.put("Clip skip", 2)
    told.put("Denoising strength", said.get("prompt_strength"))
    weights = _listed(said.get("lora_alpha"))
    for index, lora in enumerate(_listed(said.get("use_lora_model"))):
        told.put_lora(lora, weights[index] if index < len(weights) else 1)
    told.keep(said, _USED)
    return told


def _listed(value: object) -> list[str]:
    """A list, one name, or a list that has become a text."""
    if isinstance(value, list):
        return [str(part) for part in value]
    text = str(value or "")[:10_000]
    if not text.startswith("["):
        return [text] if text else []
    return [one or other or bare.strip() for one, other, bare in _ITEM.findall(text)]
