"""StabilityMatrix and TensorArt: a JSON object of their own beside an infotext or a ComfyUI graph."""

from app.metadata.dialects.comfyui import graph_of, told_by_graph
from app.metadata.dialects.told import Told, whole
from app.metadata.json_text import as_dict, as_list, json_object
from app.metadata.record import PictureRecord, Recipe


class StabilityMatrix:
    """Its own words first; what they leave out (clip skip, VAE, LoRAs, the second pass) is in the graph."""

    name = "stabilitymatrix"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        raw = record.items.get("parameters-json", "")
        said = json_object(raw)
        if said is None or "PositivePrompt" not in said:
            return None
        graph = graph_of(record)
        told = told_by_graph(graph, record) if graph is not None else Told()
        told.prompt = str(said.get("PositivePrompt") or told.prompt)
        told.negative = str(said.get("NegativePrompt") or "")
        told.put("Steps", said.get("Steps"))
        told.put_sampler(said.get("Sampler"))
        told.put("CFG scale", said.get("CfgScale"))
        told.put("Seed", said.get("Seed"))
        if "Size" not in told.fields:  # its own size is that of the finished picture, also after an upscale
            told.put_size(said.get("Width"), said.get("Height"))
        told.put_model(said.get("ModelName"), said.get("ModelHash"))
        return told.recipe(self.name, raw)


class TensorArt:
    """`generation_data` has the prompt and names the models as people know them; the graph says what was sampled, and with which seed."""

    name = "tensorart"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for other programs' pictures."""
        raw = record.items.get("generation_data", "")
        said = json_object(raw)
        if said is None:
            return None
        graph = graph_of(record)
        told = told_by_graph(graph, record) if graph is not None else Told()
        told.prompt = str(said.get("prompt") or told.prompt)
        told.negative = str(said.get("negativePrompt") or told.negative)
        own = Told()
        own.put("Steps", said.get("steps"))
        own.put_sampler(said.get("samplerName") or said.get("sampler"), said.get("scheduler"))
        own.put("CFG scale", said.get("cfgScale"))
        seed = whole(said.get("seed"))
        if seed is not None and seed >= 0:
            own.put("Seed", said.get("seed"))
        own.put_size(said.get("width"), said.get("height"))
        told.fields = {**own.fields, **told.fields}
        base = as_dict(said.get("baseModel"))
        told.put_model(base.get("modelFileName") or base.get("label") or told.fields.get("Model"), base.get("hash"))
        told.put("VAE", said.get("sdVae") if said.get("sdVae") not in ("Automatic", "None") else None)
        skip = whole(said.get("clipSkip"))
        if skip and skip > 0:
            told.fields.setdefault("Clip skip", str(skip))
        named = [
            as_dict(one) for one in as_list(said.get("models")) if str(as_dict(one).get("type")).upper() in ("LORA", "LOCON", "LYCORIS")
        ]
        if named:
            told.loras.clear()
        for one in named:
            told.put_lora(one.get("modelFileName") or one.get("label"), one.get("weight"))
        told.put("Denoising strength", said.get("denoisingStrength") or said.get("denoising_strength"))
        told.keep({name: value for name, value in said.items() if name in ("ecosystem", "workflowTemplateId", "etaNoiseSeedDelta", "sdxl")})
        return told.recipe(self.name, raw)
