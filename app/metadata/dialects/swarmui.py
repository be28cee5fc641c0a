"""SwarmUI: a JSON object with `sui_image_params`, in `parameters` or in the EXIF comment."""

from collections.abc import Mapping
from typing import Any

from app.metadata.dialects.told import Told, number
from app.metadata.json_text import as_dict, as_list
from app.metadata.record import PictureRecord, Recipe

_USED = frozenset(
    (
        "prompt",
        "negativeprompt",
        "model",
        "seed",
        "steps",
        "cfgscale",
        "width",
        "height",
        "sampler",
        "scheduler",
        "vae",
        "loras",
        "loraweights",
        "refinerupscale",
        "refinersteps",
        "refinercontrolpercentage",
        "refinerupscalemethod",
        "images",
    )
)


class SwarmUI:
    """Its sampler names are ComfyUI's."""

    name = "swarmui"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        said = record.data.get("sui_image_params")
        if not isinstance(said, dict):
            return None
        told = Told(str(said.get("prompt") or ""), str(said.get("negativeprompt") or ""))
        told.put("Steps", said.get("steps"))
        told.put_sampler(said.get("sampler"), said.get("scheduler"))
        told.put("CFG scale", said.get("cfgscale"))
        told.put("Seed", said.get("seed"))
        told.put_size(said.get("width"), said.get("height"))
        told.put_model(said.get("model"))
        vae = said.get("vae")
        if vae not in (None, "Automatic", "None", ""):
            told.put("VAE", vae)
        weights = _listed(said.get("loraweights"))
        for index, lora in enumerate(_listed(said.get("loras"))):
            told.put_lora(lora, weights[index] if index < len(weights) else 1)
        stop = number(said.get("clipstopatlayer"))
        if stop is not None and stop < 0:
            told.put("Clip skip", int(-stop))
        _second_pass(told, said)
        told.keep(said, _USED)
        told.keep({name: record.data[name] for name in ("sui_extra_data", "sui_models") if name in record.data})
        return told.recipe(self.name, record.text)


def _second_pass(told: Told, said: Mapping[str, Any]) -> None:
    upscale = number(said.get("refinerupscale"))
    if upscale is not None and upscale != 1:
        told.put("Hires upscale", said.get("refinerupscale"))
        told.put("Hires upscaler", said.get("refinerupscalemethod"))
        told.put("Hires steps", said.get("refinersteps"))
        told.put("Denoising strength", said.get("refinercontrolpercentage"))
    else:
        told.keep(
            {
                name: said[name]
                for name in ("refinerupscale", "refinerupscalemethod", "refinersteps", "refinercontrolpercentage")
                if name in said
            }
        )
        if as_dict(said).get("initimage") is not None or said.get("initimagecreativity") is not None:
            told.put("Denoising strength", said.get("initimagecreativity"))


def _listed(value: object) -> list[Any]:
    """A list, or a text with commas that older versions wrote."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return as_list(value)
