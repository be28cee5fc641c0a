"""The settings of one sampling pass, whichever of ComfyUI's many samplers it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.metadata.dialects.comfy.graph import Graph, Link, Node, is_kind
from app.metadata.dialects.told import is_on, number

_SIZE = re.compile(r"(\d{2,5})\s*[xX×*]\s*(\d{2,5})")
_CLASSES: Mapping[str, str] = {
    "sampler" + word: name
    for word, name in {
        "eulerancestral": "euler_ancestral",
        "euler": "euler",
        "eulercfgpp": "euler_cfg_pp",
        "eulerancestralcfgpp": "euler_ancestral_cfg_pp",
        "lms": "lms",
        "dpmpp2msde": "dpmpp_2m_sde",
        "dpmpp3msde": "dpmpp_3m_sde",
        "dpmppsde": "dpmpp_sde",
        "dpmpp2sancestral": "dpmpp_2s_ancestral",
        "dpmadaptative": "dpm_adaptive",
        "lcmupscale": "lcm",
        "ersde": "er_sde",
        "sasolver": "sa_solver",
    }.items()
}
_SIGMA_WORDS: Mapping[str, str] = {"alignyoursteps": "align_your_steps", "sdturbo": "sd_turbo", "betasampling": "beta"}


@dataclass(frozen=True, kw_only=True)
class PassSettings:
    """What one pass was told; None for what the graph does not say."""

    seed: str | None = None
    steps: str | None = None
    cfg: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    denoise: float | None = None
    model: object = None
    positive: object = None
    negative: object = None
    guides_without_negative: bool = False
    """A BasicGuider: no negative prompt and no scale, which is CFG scale 1."""


def settings_of(graph: Graph, node: Node) -> PassSettings:
    """The settings of a sampler node."""
    guider = graph.source(node, "guider")
    asks = guider[0] if guider else node
    pipe = next(
        (
            node.inputs[name]
            for name in ("basic_pipe", "pipe", "context", "base_ctx", "sdxl_tuple")
            if isinstance(node.inputs.get(name), Link)
        ),
        None,
    )
    positive = next((asks.inputs[name] for name in ("positive", "conditioning", "cond1") if isinstance(asks.inputs.get(name), Link)), pipe)
    negative = next((asks.inputs[name] for name in ("negative",) if isinstance(asks.inputs.get(name), Link)), pipe)
    steps, scheduler, denoise = _sigmas(graph, node)
    noise = graph.source(node, "noise")
    seed = graph.number(node, "seed", "noise_seed") or (graph.number(noise[0], "noise_seed", "seed") if noise else None)
    own = number(graph.number(node, "denoise"))
    return PassSettings(
        seed=seed,
        steps=graph.number(node, "steps", "base_steps") or steps,
        cfg=graph.number(asks, "cfg", "cfg_conds") or graph.number(node, "cfg", "base_cfg"),
        sampler=graph.word(node, "sampler_name") or _sampler(graph, node),
        scheduler=graph.word(node, "scheduler") or scheduler,
        denoise=own if own is not None else denoise,
        model=next((asks.inputs[name] for name in ("model", "unet", "base_model") if isinstance(asks.inputs.get(name), Link)), pipe),
        positive=positive,
        negative=None if guider and is_kind(asks, "basicguider") else negative,
        guides_without_negative=bool(guider and is_kind(asks, "basicguider")),
    )


def _sampler(graph: Graph, node: Node) -> str | None:
    """The sampler's name behind a link to an object of it."""
    link = node.inputs.get("sampler")
    if isinstance(link, str):
        return link
    for _ in range(20):
        source = graph.follow(link)
        if source is None:
            return None
        found = source[0]
        name = graph.word(found, "sampler_name", "sampler")
        if name is not None:
            return name
        kind = found.plain_kind
        if kind in _CLASSES:
            return _CLASSES[kind]
        link = next((value for key, value in found.inputs.items() if isinstance(value, Link) and key.startswith("sampler")), None)
    return None


def _sigmas(graph: Graph, node: Node) -> tuple[str | None, str | None, float | None]:
    """(steps, schedule, denoising strength) behind a link to sigmas, past what splits, flips or changes them."""
    link = node.inputs.get("sigmas")
    for _ in range(20):
        source = graph.follow(link)
        if source is None:
            return None, None, None
        found = source[0]
        steps = graph.number(found, "steps")
        if steps is not None:
            kind = re.sub(r"(?:sampling)?scheduler.*", "", found.plain_kind)
            name = graph.word(found, "scheduler") or _SIGMA_WORDS.get(found.plain_kind.removesuffix("scheduler"), kind)
            return steps, name or None, number(graph.number(found, "denoise"))
        link = next((value for key, value in found.inputs.items() if isinstance(value, Link) and "sigmas" in key), None)
    return None, None, None


def size_in(graph: Graph, walked: list[Node]) -> tuple[str, str] | None:
    """The size of the empty latent that a chain starts from; None where it starts from a picture."""
    for node in walked:
        if (
            is_kind(node, "upscale", "scale", "crop", "composite", "detailer", "save", "resize", "pad", "loadimage", "sampler")
            and "empty" not in node.kind.casefold()
        ):
            continue
        if (told := _preset(graph, node)) is not None:
            return told
        pair = graph.number(node, "empty_latent_width"), graph.number(node, "empty_latent_height")
        if pair[0] is None or pair[1] is None:
            pair = graph.number(node, "width"), graph.number(node, "height")
        if pair[0] is not None and pair[1] is not None:
            return pair[0], pair[1]
    return None


def _preset(graph: Graph, node: Node) -> tuple[str, str] | None:
    """A size that stands in a text, `1216 x 832 (landscape)`, in the node or in the one that its width comes from; it may be turned.

    Nodes with such a list have numbers too, which count for `custom` only.
    """
    source = graph.source(node, "width")
    for one in (node, *((source[0],) if source else ())):
        if not is_kind(one, "latent", "resolution", "ratio", "size", "dimension"):
            continue
        turned = any(is_on(one.inputs.get(name)) for name in ("swap_dimensions", "invert", "swap"))
        for value in one.inputs.values():
            if isinstance(value, str) and (found := _SIZE.search(value[:200])):
                return (found[2], found[1]) if turned else (found[1], found[2])
        if one is not node and (pair := (graph.number(one, "width"), graph.number(one, "height"))) and None not in pair:
            return str(pair[0]), str(pair[1])
    return None
