"""What a sampler's model is made of: checkpoint, LoRAs along the way, and what decodes its latents."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.metadata.dialects.comfy.graph import MAX_STEPS, Graph, Link, Node, is_kind
from app.metadata.dialects.told import number
from app.metadata.json_text import as_dict, as_list

_NAMES = (
    "ckpt_name",
    "unet_name",
    "base_ckpt_name",
    "model_name",
    "diffusion_model_name",
    "model_path",
    "ckpt",
    "checkpoint",
    "gguf_name",
    "unet",
)
_MODEL_INPUTS = re.compile(
    r"(?:base_|opt_)?model(?:_?1|_a|_opt|_high_noise)?|unet|MODEL|any(?:thing|_01)?|value|input\d?|source|pipe|basic_pipe|context|base_ctx|model_stack"
)
_LORA_N = re.compile(r"(?:lora_name_?|lora_?)(\d{1,3})(?:_name)?")
_TAG = re.compile(r"<lora:([^:<>]+)(?::(-?[\d.]+))?(?::(-?[\d.]+))?[^<>]*>")
_MAX_LORAS = 200
Lora = tuple[str, object, object]
"""(name, weight for the network, weight for the text encoder or None)."""


@dataclass
class Model:
    """What was met on the way from a sampler to a checkpoint."""

    name: str | None = None
    others: list[str] = field(default_factory=list)
    """Further checkpoints of a merge."""
    loras: list[Lora] = field(default_factory=list)
    """In the order in which they are applied."""


def model_of(graph: Graph, link: object) -> Model:
    """The checkpoint and the LoRAs behind a link to a model."""
    found = Model()
    nearest_first: list[Lora] = []
    seen: set[str] = set()
    for _ in range(MAX_STEPS):
        source = graph.follow(link)
        if source is None or source[0].id in seen:
            break
        node = source[0]
        seen.add(node.id)
        nearest_first += reversed(list(_loras(graph, node)))
        for stack in ("lora_stack", "optional_lora_stack"):
            nearest_first += reversed(_stack(graph, node.inputs.get(stack)))
        name = None if is_kind(node, "loraloader", "lorastack") and "ckpt_name" not in node.inputs else graph.word(node, *_NAMES)
        if name is not None and not is_kind(node, "modelsampling", "ipadapter"):
            found.name = name
            break
        if is_kind(node, "modelmerge", "mergemodel") and "model2" in node.inputs:
            found.others += [other for other in (model_of(graph, node.inputs["model2"]).name,) if other] if len(seen) < 50 else []
        link = _way(graph, node)
    found.loras = nearest_first[::-1][:_MAX_LORAS]
    return found


def _way(graph: Graph, node: Node) -> object:
    """The input that a model comes from."""
    names = [name for name, value in node.inputs.items() if isinstance(value, Link) and _MODEL_INPUTS.fullmatch(name)]
    names.sort(key=lambda name: (name != "model", name != "model1"))
    if names:
        return node.inputs[names[0]]
    alone = [value for value in node.inputs.values() if isinstance(value, Link)]
    return alone[0] if len(alone) == 1 else None


def _stack(graph: Graph, link: object) -> list[Lora]:
    """The LoRAs of a chain of stack nodes, in order."""
    parts: list[list[Lora]] = []
    seen: set[str] = set()
    while (source := graph.follow(link)) is not None and source[0].id not in seen:
        node = source[0]
        seen.add(node.id)
        parts.append(list(_loras(graph, node)))
        link = node.inputs.get("lora_stack", node.inputs.get("optional_lora_stack"))
    return [lora for part in reversed(parts) for lora in part]


def _loras(graph: Graph, node: Node) -> Iterator[Lora]:
    """The LoRAs that one node itself applies."""
    inputs = node.inputs
    if not is_kind(node, "lora") and "lora_name" not in inputs:
        return
    if (name := graph.word(node, "lora_name")) is not None and name != "None":
        weight = graph.number(node, "strength_model", "lora_model_strength", "strength", "model_strength", "lora_strength", "weight")
        yield name, weight or 1, graph.number(node, "strength_clip", "lora_clip_strength", "clip_strength")
    for key, value in inputs.items():
        one = as_dict(value)
        if isinstance(one.get("lora"), str) and one.get("on", True):  # Power Lora Loader (rgthree)
            yield one["lora"], one.get("strength", 1), one.get("strengthTwo")
        elif (number_of := _LORA_N.fullmatch(key)) and isinstance(value, str) and value not in ("None", ""):
            yield from _numbered(inputs, number_of[1], value)
    for one in map(as_dict, as_list(inputs.get("loras"))):  # Lora Manager
        if isinstance(one.get("name"), str) and one.get("active", True):
            yield one["name"], one.get("strength", 1), one.get("clipStrength")
    if not inputs.get("loras") and isinstance(text := inputs.get("text", inputs.get("lora_syntax")), str):
        for name, weight, clip in _TAG.findall(text[:100_000]):
            yield name, weight or 1, clip or None


def _numbered(inputs: Mapping[str, object], place: str, name: str) -> Iterator[Lora]:
    """One row of a stack: names and weights are numbered, a row may be switched off, and a count ends the list."""
    if str(inputs.get(f"switch_{place}", "On")) in ("Off", "False"):
        return
    count = number(inputs.get("lora_count", inputs.get("num_loras")))
    if count is not None and int(place) > count:
        return
    advanced = str(inputs.get("input_mode", inputs.get("mode", ""))) == "advanced"
    simple = ("lora_wt_", "lora_{}_strength")
    names = (
        f"model_weight_{place}",
        f"strength_{place}",
        *(() if advanced else (f"lora_wt_{place}", f"lora_{place}_strength")),
        f"model_str_{place}",
    )
    weight = next(
        (inputs[key] for key in (*names, f"{simple[0]}{place}", f"lora_{place}_model_strength") if inputs.get(key) is not None), 1
    )
    clip = next((inputs[key] for key in (f"clip_weight_{place}", f"clip_str_{place}") if inputs.get(key) is not None), None)
    yield name, weight, clip if advanced or f"clip_weight_{place}" in inputs else None


def vae_of(graph: Graph, link: object) -> str | None:
    """The file of a VAE that was loaded by itself; None if it is the checkpoint's own."""
    for _ in range(50):
        source = graph.follow(link)
        if source is None:
            return None
        node = source[0]
        if (name := graph.word(node, "vae_name")) is not None and name not in ("Baked VAE", "None", "Baked"):
            return name
        if any(graph.word(node, key) for key in ("ckpt_name", "unet_name")):
            return None
        link = node.inputs.get("vae")
        if link is None:
            links = [
                value
                for name, value in node.inputs.items()
                if isinstance(value, Link) and re.search(r"pipe|context|ctx|any|value|loader", name)
            ]
            link = links[0] if links else None
    return None


def clip_skip_of(graph: Graph, encoder: Node | None) -> int | None:
    """A1111's Clip skip behind a text encoder; None if nothing is said."""
    if encoder is None:
        return None
    own = number(graph.number(encoder, "clip_skip"))
    if own is not None and own < 0:
        return int(-own)
    clips = (value for name, value in encoder.inputs.items() if re.match(r"(?:opt_)?clip", name) and isinstance(value, Link))
    link: object = next(clips, None)
    for _ in range(MAX_STEPS):
        source = graph.follow(link)
        if source is None:
            return None
        node = source[0]
        stop = number(graph.number(node, "stop_at_clip_layer", "clip_skip"))
        if stop is not None and stop < 0:
            return int(-stop)
        names = ("clip", "CLIP", "opt_clip", "base_clip", "clip1", "value", "basic_pipe", "pipe", "base_ctx", "context")
        link = next((node.inputs[name] for name in names if isinstance(node.inputs.get(name), Link)), None)
    return None
