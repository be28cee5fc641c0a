"""Small ComfyUI graphs in the API form, for tests that read them."""

import json
from typing import Any

from app.metadata import parse_infotext, read_text

Nodes = dict[str, dict[str, Any]]


def node(kind: str, **inputs: object) -> dict[str, Any]:
    """One node; an input that is a list of id and slot is a link."""
    return {"class_type": kind, "inputs": inputs}


def base(**more: dict[str, Any]) -> Nodes:
    """One pass: checkpoint, two texts, a latent, a sampler, a picture; `more` adds or replaces nodes."""
    nodes: Nodes = {
        "model": node("CheckpointLoaderSimple", ckpt_name="folder\\base.safetensors"),
        "good": node("CLIPTextEncode", text="a castle", clip=["model", 1]),
        "bad": node("CLIPTextEncode", text="fog", clip=["model", 1]),
        "latent": node("EmptyLatentImage", width=640, height=448, batch_size=1),
        "pass": node(
            "KSampler",
            seed=11,
            steps=20,
            cfg=6.5,
            sampler_name="dpmpp_2m",
            scheduler="karras",
            denoise=1.0,
            model=["model", 0],
            positive=["good", 0],
            negative=["bad", 0],
            latent_image=["latent", 0],
        ),
        "decode": node("VAEDecode", samples=["pass", 0], vae=["model", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
    }
    return nodes | more


def said(nodes: Nodes) -> dict[str, Any]:
    """A1111's dictionary of what is read from the graph."""
    record = read_text(json.dumps(nodes))
    assert record.recipe is not None and record.recipe.dialect == "comfyui"
    return parse_infotext(record.infotext)


def changed(nodes: Nodes, name: str, **inputs: object) -> Nodes:
    """The nodes with some inputs of one of them replaced."""
    return {**nodes, name: {**nodes[name], "inputs": {**nodes[name]["inputs"], **inputs}}}
