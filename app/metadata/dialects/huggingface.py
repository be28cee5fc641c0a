"""Spaces on Hugging Face (animagine and its kin): `parameters` holds a JSON object in diffusers' words."""

import re

from app.metadata.dialects.told import Told
from app.metadata.json_text import as_dict
from app.metadata.record import PictureRecord, Recipe

_NUMBERS = re.compile(r"\d{1,6}")
_USED = frozenset(
    (
        "prompt",
        "negative_prompt",
        "resolution",
        "width",
        "height",
        "guidance_scale",
        "num_inference_steps",
        "seed",
        "sampler",
        "scheduler",
        "Model",
        "Model hash",
        "model",
        "model_id",
        "model_hash",
        "use_upscaler",
        "strength",
        "loras",
        "use_lora",
        "clip_skip",
    )
)


class HuggingFace:
    """Also any other program that writes diffusers' own argument names."""

    name = "huggingface"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        said = record.data
        if "prompt" not in said or not {"num_inference_steps", "guidance_scale"} & said.keys():
            return None
        told = Told(str(said.get("prompt") or ""), str(said.get("negative_prompt") or ""))
        told.put("Steps", said.get("num_inference_steps"))
        told.put_sampler(said.get("sampler") or said.get("scheduler"))
        told.put("CFG scale", said.get("guidance_scale"))
        told.put("Seed", said.get("seed"))
        sides = _NUMBERS.findall(str(said.get("resolution") or ""))
        told.put_size(*(sides[:2] if len(sides) >= 2 else (said.get("width"), said.get("height"))))
        told.put_model(said.get("Model") or said.get("model") or said.get("model_id"), said.get("Model hash") or said.get("model_hash"))
        told.put("Clip skip", said.get("clip_skip"))
        told.put("Denoising strength", said.get("strength"))
        upscaler = as_dict(said.get("use_upscaler"))
        told.put("Hires upscale", upscaler.get("upscale_by"))
        told.put("Hires upscaler", upscaler.get("upscale_method"))
        told.put("Hires steps", upscaler.get("upscale_steps"))
        if "Denoising strength" not in told.fields:
            told.put("Denoising strength", upscaler.get("upscaler_strength"))
        lora = as_dict(said.get("use_lora"))
        told.put_lora(lora.get("model") or lora.get("name"), lora.get("scale") or lora.get("weight"))
        told.keep(said, _USED)
        return told.recipe(self.name, record.text)
