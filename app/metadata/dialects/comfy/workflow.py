"""ComfyUI's UI form (nodes with widgets by position, links by number, subgraphs), brought to the API form."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.metadata.dialects.comfy.graph import MAX_NODES, Graph, Link, Node
from app.metadata.dialects.comfy.group_nodes import group_of
from app.metadata.json_text import as_dict, as_list

_CONTROL = "control_after_generate"
_CONTROLS = ("fixed", "randomize", "increment", "decrement", "increment-wrap")
WIDGETS: Mapping[str, tuple[str, ...]] = {
    kind: tuple(names.split())
    for kind, names in {
        "KSampler": f"seed {_CONTROL} steps cfg sampler_name scheduler denoise",
        "KSamplerAdvanced": f"add_noise noise_seed {_CONTROL} steps cfg sampler_name scheduler "
        "start_at_step end_at_step return_with_leftover_noise",
        "KSampler (Efficient)": f"seed {_CONTROL} steps cfg sampler_name scheduler denoise preview_method vae_decode",
        "SamplerCustom": f"add_noise noise_seed {_CONTROL} cfg",
        "RandomNoise": f"noise_seed {_CONTROL}",
        "KSamplerSelect": "sampler_name",
        "BasicScheduler": "scheduler steps denoise",
        "KarrasScheduler": "steps sigma_max sigma_min rho",
        "ExponentialScheduler": "steps sigma_max sigma_min",
        "PolyexponentialScheduler": "steps sigma_max sigma_min rho",
        "SDTurboScheduler": "steps denoise",
        "AlignYourStepsScheduler": "model_type steps denoise",
        "BetaSamplingScheduler": "steps alpha beta",
        "LTXVScheduler": "steps max_shift base_shift stretch terminal",
        "CFGGuider": "cfg",
        "FluxGuidance": "guidance",
        "CLIPTextEncode": "text",
        "CLIPTextEncodeSDXL": "width height crop_w crop_h target_width target_height text_g text_l",
        "CLIPTextEncodeSDXLRefiner": "ascore width height text",
        "CLIPTextEncodeFlux": "clip_l t5xxl guidance",
        "CLIPTextEncodeSD3": "clip_l clip_g t5xxl empty_padding",
        "CLIPTextEncodeHunyuanDiT": "bert mt5xl",
        "TextEncodeQwenImageEdit": "prompt",
        "CLIPSetLastLayer": "stop_at_clip_layer",
        "CheckpointLoaderSimple": "ckpt_name",
        "CheckpointLoader": "config_name ckpt_name",
        "unCLIPCheckpointLoader": "ckpt_name",
        "ImageOnlyCheckpointLoader": "ckpt_name",
        "UNETLoader": "unet_name weight_dtype",
        "UnetLoaderGGUF": "unet_name",
        "VAELoader": "vae_name",
        "LoraLoader": "lora_name strength_model strength_clip",
        "LoraLoaderModelOnly": "lora_name strength_model",
        "EmptyLatentImage": "width height batch_size",
        "EmptySD3LatentImage": "width height batch_size",
        "LatentUpscale": "upscale_method width height crop",
        "LatentUpscaleBy": "upscale_method scale_by",
        "ImageScale": "upscale_method width height crop",
        "ImageScaleBy": "upscale_method scale_by",
        "UpscaleModelLoader": "model_name",
        "ImpactWildcardEncode": "wildcard_text populated_text mode",
        "ImpactWildcardProcessor": "wildcard_text populated_text mode",
        "Efficient Loader": "ckpt_name vae_name clip_skip lora_name lora_model_strength lora_clip_strength positive negative "
        "token_normalization weight_interpretation empty_latent_width empty_latent_height batch_size",
        "SDXL Empty Latent Image (rgthree)": "dimensions clip_scale batch_size",
        "KSampler Adv. (Efficient)": f"add_noise noise_seed {_CONTROL} steps cfg sampler_name scheduler start_at_step end_at_step "
        "return_with_leftover_noise preview_method vae_decode",
        "KSamplerAdvanced (inspire)": f"add_noise noise_seed {_CONTROL} steps cfg sampler_name scheduler",
        "ImpactKSamplerBasicPipe": f"seed {_CONTROL} steps cfg sampler_name scheduler denoise",
        "UltimateSDUpscale": f"upscale_by seed {_CONTROL} steps cfg sampler_name scheduler denoise",
        "smZ CLIPTextEncode": "text parser mean_normalization multi_conditioning use_old_emphasis_implementation with_SDXL ascore width "
        "height crop_w crop_h target_width target_height text_g text_l smZ_steps",
        "BNK_CLIPTextEncodeAdvanced": "text token_normalization weight_interpretation",
        "StringConcatenate": "string_a string_b delimiter",
        "Text Concatenate": "delimiter clean_whitespace",
        "LoraLoader|pysssss": "lora_name strength_model strength_clip",
        "CheckpointLoader|pysssss": "ckpt_name",
        "Lora Loader Stack (rgthree)": "lora_01 strength_01 lora_02 strength_02 lora_03 strength_03 lora_04 strength_04",
        "CR LoRA Stack": " ".join(f"switch_{place} lora_name_{place} model_weight_{place} clip_weight_{place}" for place in (1, 2, 3)),
        "CR Aspect Ratio": "width height aspect_ratio swap_dimensions upscale_factor prescale_factor batch_size",
        "CR SDXL Aspect Ratio": "width height aspect_ratio swap_dimensions upscale_factor batch_size",
        "DualCFGGuider": "cfg_conds cfg_cond2_negative",
        "ModelSamplingFlux": "max_shift base_shift width height",
        "ModelMergeSimple": "ratio",
        "EmptyHunyuanLatentVideo": "width height length batch_size",
        "EmptyLTXVLatentVideo": "width height length batch_size",
        "StableCascade_EmptyLatentImage": "width height compression batch_size",
        "ImpactSwitch": "select sel_mode",
        "Seed (rgthree)": "seed",
        "CR Seed": f"seed {_CONTROL}",
        "PrimitiveNode": "value",
    }.items()
}
_MUTED, _BYPASSED = 2, 4
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
"""What the page takes out of texts before it sends them."""
_INPUT_NODE, _OUTPUT_NODE = "-10", "-20"
_MAX_DEPTH = 8


@dataclass
class _Built:
    """Nodes so far, and for each output that only passes something on, where it really comes from."""

    whole: Mapping[str, Any]
    subgraphs: Mapping[str, Mapping[str, Any]]
    nodes: dict[str, Node] = field(default_factory=dict)
    passing: dict[Link, object] = field(default_factory=dict)
    under: dict[str, dict[str, object]] = field(default_factory=dict)
    """Of each node: the values of widgets that have a link too, which count where the link leads to nothing."""


def ui_graph(said: Mapping[str, Any] | None) -> Graph | None:
    """The graph of a workflow as the page exports it; None for an object that is none."""
    if not said or not isinstance(said.get("nodes"), list):
        return None
    subgraphs = {str(one.get("id")): one for one in map(as_dict, as_list(as_dict(said.get("definitions")).get("subgraphs")))}
    built = _Built(said, subgraphs)
    _add(built, said, "", 0)
    _stores(built)
    nodes = {
        key: Node(key, node.kind, {name: _ended(built, key, name, value) for name, value in node.inputs.items()}, node.title)
        for key, node in built.nodes.items()
    }
    return Graph(nodes) if nodes else None


def _add(built: _Built, said: Mapping[str, Any], prefix: str, depth: int) -> None:
    """Adds the nodes of a workflow or subgraph; ids of a subgraph's nodes begin with the path to it, as in the API form."""
    links = dict(_links(said, prefix))
    for raw in map(as_dict, as_list(said.get("nodes"))):
        if len(built.nodes) > MAX_NODES or raw.get("mode") == _MUTED:
            continue
        key, kind = f"{prefix}{raw.get('id')}", str(raw.get("type") or "")
        inputs, by_type = _inputs(raw, links)
        inner = built.subgraphs.get(kind) or group_of(raw, built.whole)
        if inner is not None and raw.get("mode") != _BYPASSED and depth < _MAX_DEPTH:
            _enter(built, key, {**_widgets(raw, kind), **inputs}, inner, depth)
        elif raw.get("mode") == _BYPASSED or kind == "Reroute":
            for slot, output in enumerate(map(as_dict, as_list(raw.get("outputs")))):
                through = by_type.get("*") if kind == "Reroute" else by_type.get(str(output.get("type")))
                built.passing[Link(key, slot)] = (
                    through if through is not None else next(iter(by_type.values()), None) if kind == "Reroute" else through
                )
        else:
            values = _widgets(raw, kind)
            built.under[key] = {name: value for name, value in values.items() if name in inputs}
            built.nodes[key] = Node(key, kind, {**values, **inputs}, str(raw.get("title") or ""))


def _enter(built: _Built, key: str, inputs: Mapping[str, object], inner: Mapping[str, Any], depth: int) -> None:
    """Adds a subgraph's nodes; what goes in and out is joined to the links of the node that stands for it."""
    _add(built, inner, f"{key}:", depth + 1)
    for slot, one in enumerate(map(as_dict, as_list(inner.get("inputs")))):
        built.passing[Link(f"{key}:{_INPUT_NODE}", slot)] = inputs.get(str(one.get("name")))
    for target, link in _ends(inner, f"{key}:"):
        built.passing[Link(key, target)] = link


def _links(said: Mapping[str, Any], prefix: str) -> Iterator[tuple[int, Link]]:
    """(number, where it comes from); a link is a list, or an object in subgraphs."""
    for raw in as_list(said.get("links")):
        if isinstance(raw, list) and len(raw) >= 3 and type(raw[0]) is int and type(raw[2]) is int:
            yield raw[0], Link(f"{prefix}{raw[1]}", raw[2])
        elif isinstance(raw, dict) and type(raw.get("id")) is int and type(raw.get("origin_slot")) is int:
            yield raw["id"], Link(f"{prefix}{raw.get('origin_id')}", raw["origin_slot"])


def _ends(said: Mapping[str, Any], prefix: str) -> Iterator[tuple[int, Link]]:
    """(output's slot, where it comes from) of the links that leave a subgraph."""
    for raw in map(as_dict, as_list(said.get("links"))):
        if str(raw.get("target_id")) == _OUTPUT_NODE and type(raw.get("target_slot")) is int and type(raw.get("origin_slot")) is int:
            yield raw["target_slot"], Link(f"{prefix}{raw.get('origin_id')}", raw["origin_slot"])


def _inputs(raw: Mapping[str, Any], links: Mapping[int, Link]) -> tuple[dict[str, object], dict[str, object]]:
    """The node's links by the input's name, and the first of each type."""
    by_name: dict[str, object] = {}
    by_type: dict[str, object] = {}
    for one in map(as_dict, as_list(raw.get("inputs"))):
        link = links.get(one["link"]) if type(one.get("link")) is int else None
        if link is not None:
            by_name[str(one.get("name"))] = link
            by_type.setdefault(str(one.get("type")), link)
    return by_name, by_type


def _widgets(raw: Mapping[str, Any], kind: str) -> dict[str, object]:
    """Values by their name: told in the file by newer front ends, else known for the class, else by position."""
    values = raw.get("widgets_values")
    if isinstance(values, list):
        values = [_COMMENT.sub("", value) if isinstance(value, str) else value for value in values]
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items() if not isinstance(value, list)}
    values = as_list(values)
    if "rgthree" in kind and "Lora" in kind:
        return {f"lora_{index}": value for index, value in enumerate(values) if isinstance(value, dict) and "lora" in value}
    names = WIDGETS.get(kind)
    if names is None:
        told = [str(one.get("name")) for one in map(as_dict, as_list(raw.get("inputs"))) if one.get("widget")]
        names = tuple(told) if told else ("value",) if len(values) == 1 else tuple(f"value_{index}" for index in range(len(values)))
    if _CONTROL not in names:
        values = [value for index, value in enumerate(values) if not (index and value in _CONTROLS and isinstance(values[index - 1], int))]
    return {name: value for name, value in zip(names, values, strict=False) if not isinstance(value, list)}


def _stores(built: _Built) -> None:
    """Set and Get nodes of page extensions: a link by name."""
    stored: dict[str, object] = {}
    for node in built.nodes.values():
        if re.fullmatch(r"(?:easy )?setNode", node.kind, re.IGNORECASE):
            name = next((str(value) for value in node.inputs.values() if not isinstance(value, Link)), "")
            stored[name] = next((value for value in node.inputs.values() if isinstance(value, Link)), None)
    for key, node in built.nodes.items():
        if re.fullmatch(r"(?:easy )?getNode", node.kind, re.IGNORECASE):
            name = next((str(value) for value in node.inputs.values() if not isinstance(value, Link)), "")
            built.passing[Link(key, 0)] = stored.get(name)


def _ended(built: _Built, key: str, name: str, value: object) -> object:
    found = _end(built, value)
    return built.under.get(key, {}).get(name) if found is None else found


def _end(built: _Built, value: object) -> object:
    """A link past everything that only passes it on; a value that a subgraph was given from outside."""
    for _ in range(100):
        if not isinstance(value, Link) or value not in built.passing:
            return value
        value = built.passing[value]
    return None
