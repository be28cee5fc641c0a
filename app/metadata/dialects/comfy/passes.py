"""The sampling passes of a graph: from the picture's output node back over images and latents."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.metadata.dialects.comfy.graph import MAX_STEPS, Graph, Link, Node, is_kind
from app.metadata.dialects.told import is_on, number

_NEVER = re.compile(
    r"(?:upscale_|base_|opt_|refiner_|tile_|detailer_)?model(?:\d|_opt|_name|s|_high_noise|_low_noise)?|unet|(?:opt_)?clip(?:_.*|\d)?|vae(?:_.*|\d)?|positive|negative"
    r"|cond(?:itioning)?.*|mask.*|.*_mask|control_?net.*|sampler(?:_.*|\d)?|sigmas|guider|noise|seed|text.*|prompt.*|string.*|lora.*|style.*|ipadapter.*"
    r"|steps|cfg|width|height|scheduler|bbox.*|sam_.*|segm.*|segs|upscale_by|upscale_method|denoise|wildcard|optional_cnet.*|script|embeds|clip_vision.*"
    r"|filename.*|path|metadata|extra.*|caption|sampler_name|scale_by|noise_.*|color.*|reference.*",
    re.IGNORECASE,
)
_LATENTS = (
    "latent_image",
    "latent",
    "samples",
    "latents",
    "latent_samples",
    "init_latent",
    "x",
    "image",
    "pixels",
    "images",
    "upscaled_image",
    "pipe",
    "context",
)
_DETAILERS = ("detailer", "ultimatesdupscale", "ultimateupscale", "iterativeupscale", "supir", "facerestore", "faceswap", "tiledupscale")
_UPSCALES = ("upscale", "imagescale", "imageresize", "resizeimage", "latentscale", "hiresfix", "imagescalebynodes", "scaleby", "nnlatent")
_MAX_VISITS = 5000


@dataclass
class Pass:
    """One sampler, and what lies between its latent input and what made that."""

    node: Node
    between: list[Node] = field(default_factory=list)
    """Nodes from this sampler back to the next one or to the start of the chain, the nearest first."""
    before: list["Pass"] = field(default_factory=list)

    @property
    def is_repair(self) -> bool:
        """Whether it works over parts of a finished picture."""
        return is_kind(self.node, *_DETAILERS)

    @property
    def is_upscaled(self) -> bool:
        """Whether the picture is made larger before this pass."""
        return any(is_kind(node, *_UPSCALES) for node in self.between)


def is_sampler(node: Node) -> bool:
    """Whether a node makes latents from noise: by its class, or by the inputs that only samplers have."""
    kind = node.plain_kind
    if kind in ("ksampler", "ksampleradvanced", "samplercustom", "samplercustomadvanced"):
        return True
    if "config" in kind or "select" in kind or "save" in kind or kind.endswith(("loader", "provider", "settings", "pipein")):
        return False
    inputs = node.inputs
    if "sampler_name" in inputs and ("steps" in inputs or "cfg" in inputs) and ("seed" in inputs or "noise_seed" in inputs):
        return True
    has_work = any(
        name in inputs for name in ("positive", "latent_image", "basic_pipe", "guider", "latent", "sdxl_tuple", "context", "pipe")
    )
    return (
        ("sampler" in kind or any(word in kind for word in _DETAILERS))
        and has_work
        and ("seed" in inputs or "noise_seed" in inputs or "steps" in inputs)
    )


def outputs_of(graph: Graph) -> list[Node]:
    """Nodes that save pictures; without any those that show them, or the last samplers."""
    nodes = list(graph.nodes.values())
    saving = [node for node in nodes if _saves(node)]
    showing = [node for node in nodes if is_kind(node, "previewimage", "imagepreview", "imagecomparer", "videocombine", "createvideo")]
    if saving or showing:
        return [*saving, *showing]
    fed = {value.node for node in nodes for value in node.inputs.values() if isinstance(value, Link)}
    return [node for node in nodes if node.id not in fed] + [node for node in nodes if is_sampler(node)]


def _saves(node: Node) -> bool:
    kind = node.plain_kind
    has_picture = any(name in node.inputs for name in ("images", "image", "samples", "video", "pipe", "context", "input"))
    return (
        has_picture
        and ("save" in kind or kind in ("imageoutput", "sendimagewebsocket", "etnsendimagewebsocket", "swarmsaveimagews"))
        and "latent" not in kind
    )


def passes_of(graph: Graph, output: Node) -> tuple[list[Pass], list[Node]]:
    """(passes in the order in which they are met from the end, all nodes that were walked over)."""
    found: dict[str, Pass] = {}
    walked: list[Node] = []
    queue: deque[tuple[Node, Pass | None]] = deque([(output, None)])
    seen: set[str] = {output.id}
    while queue and len(walked) < _MAX_VISITS:
        node, current = queue.popleft()
        walked.append(node)
        if is_sampler(node):
            own = found.setdefault(node.id, Pass(node))
            if current is not None:
                current.before.append(own)
            current = own
        elif current is not None:
            current.between.append(node)
        for source in _sources(graph, node):
            known = found.get(source.id)
            if source.id not in seen:
                seen.add(source.id)
                queue.append((source, current))
            elif known is not None and current is not None and known is not current and known not in current.before:
                current.before.append(known)
    return list(found.values()), walked


def _sources(graph: Graph, node: Node) -> Iterator[Node]:
    """The nodes that pictures and latents come from."""
    links = [(name, source) for name, source, _ in graph.links(node) if not _NEVER.fullmatch(name)]
    order = {name: index for index, name in enumerate(_LATENTS)}
    for _, node_behind in sorted(links, key=lambda link: order.get(link[0], len(order))):
        yield node_behind


def main_pass(graph: Graph, passes: list[Pass], stage_c: Link | None) -> Pass:
    """The pass whose settings are the picture's; `passes` is not empty."""
    real = [one for one in passes if not one.is_repair] or passes
    main = real[0]
    if stage_c is not None and (source := graph.follow(stage_c)) is not None:
        return next((one for one in passes if one.node.id == source[0].id), None) or next(iter(passes_of(graph, source[0])[0]), main)
    for _ in range(MAX_STEPS):
        before = next((one for one in main.before if not one.is_repair), None)
        if before is None or adds_noise(graph, main.node) or any(not _is_passing(node) for node in main.between):
            break
        main = before
    return main


def _is_passing(node: Node) -> bool:
    """Whether latents go through a node as they are."""
    return is_kind(node, "reroute", "switch", "pipe", "context", "primitive", "latentbatch", "cut")


def adds_noise(graph: Graph, node: Node) -> bool:
    """Whether a sampler begins with noise of its own rather than with what another one left."""
    if "add_noise" in node.inputs:
        return is_on(graph.value(node.inputs["add_noise"], "add_noise"))
    source = graph.source(node, "noise")
    if source is not None and is_kind(source[0], "disablenoise"):
        return False
    start = number(graph.number(node, "start_at_step"))
    return not ("return_with_leftover_noise" in node.inputs and start and start > 0 and "add_noise" not in node.inputs)
