"""Civitai's generator: a ComfyUI graph in the EXIF comment, with the request itself in `extraMetadata`."""

from app.metadata.dialects.comfy.graph import api_graph
from app.metadata.dialects.comfyui import told_by_graph
from app.metadata.dialects.told import Told
from app.metadata.json_text import as_dict, json_object
from app.metadata.record import PictureRecord, Recipe

_USED = frozenset(("prompt", "negativePrompt", "steps", "cfgScale", "sampler", "seed", "clipSkip", "width", "height"))


class Civitai:
    """The request is believed where it speaks; the graph says the rest."""

    name = "civitai"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        if "extraMetadata" not in record.data and "extra" not in record.data:
            return None
        said = as_dict(json_object(record.data.get("extraMetadata")))
        graph = api_graph(record.data)
        if graph is None and not said:
            return None
        told = told_by_graph(graph, record) if graph is not None else Told()
        told.prompt = str(said.get("prompt") or told.prompt)
        told.negative = str(said.get("negativePrompt") or told.negative)
        schedule = told.fields.get("Schedule type")
        told.put("Steps", said.get("steps"))
        told.put("CFG scale", said.get("cfgScale"))
        told.put("Seed", said.get("seed"))
        told.put("Clip skip", said.get("clipSkip"))
        if said.get("sampler"):
            told.put_sampler(said["sampler"])
            told.put("Schedule type", told.fields.get("Schedule type", schedule))
        told.put_size(said.get("width"), said.get("height"))
        told.keep(said, _USED)
        extra = as_dict(record.data.get("extra"))
        told.keep(extra)
        return None if told.is_empty else told.recipe(self.name, record.text)
