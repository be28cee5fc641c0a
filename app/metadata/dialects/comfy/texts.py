"""The words behind a conditioning: through any chain of conditioning and text nodes, as far as the file tells them."""

import re
from dataclasses import dataclass, field

from app.metadata.dialects.comfy.graph import MAX_STEPS, Graph, Link, Node, is_kind

_ENCODED = (
    "populated_text", "text", "text_g", "clip_l", "prompt_g", "prompt", "text_positive", "wildcard_text", "caption", "bert", "t5xxl",
    "string",
)  # fmt: skip
"""Inputs of an encoder that hold its text, the best first."""
_SECOND: dict[str, tuple[str, ...]] = {"text_g": ("text_l",), "prompt_g": ("prompt_l",), "clip_l": ("clip_g", "t5xxl"), "bert": ("mt5xl",)}
"""Further inputs with a text of their own; equal ones count once."""
_TEXTS = (
    "populated_text",
    "text",
    "Text",
    "string",
    "String",
    "value",
    "Value",
    "prompt",
    "STRING",
    "STR",
    "result",
    "output",
    "text_positive",
    "positive",
    "wildcard_text",
    "prompt_text",
    "text_0",
    "text1",
    "string_a",
    "text_a",
    "input",
    "any",
    "a",
    "source",
    "text_input",
    "input_string",
)
_JOINED = re.compile(r"(?:text|string|prompt|part|str|input|t)_?([a-h]|\d{1,2})", re.IGNORECASE)
_DELIMITERS = ("delimiter", "separator", "seperator", "concat_delimiter", "sep")
_MAX_CHARS = 1_000_000
_NOT_CONDITIONING = re.compile(
    r"model|clip|vae|image|pixels|latent|samples|mask|control_net|noise|sampler|sigmas|guider|seed|style|gligen|width|height|steps|strength|lora|cfg"
)
_COMPUTED = (
    "textgenerate",
    "llm",
    "gpt",
    "ollama",
    "florence",
    "wd14",
    "tagger",
    "interrogat",
    "caption",
    "random",
    "joytag",
    "blip",
    "llama",
    "gemini",
    "qwenvl",
)
"""Nodes whose text exists only while the graph runs."""


@dataclass
class Texts:
    """What was found behind one conditioning."""

    parts: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    """What stands between two parts: A1111's AND or BREAK."""
    is_whole: bool = True
    """Whether every part was in the file."""
    stage_c: Link | None = None
    """Stable Cascade: where the latents of the first stage come from, if this conditions the second."""
    encoder: Node | None = None
    """The first node that turns a text into a conditioning."""
    guidance: str | None = None
    """Flux' distilled guidance."""

    @property
    def text(self) -> str:
        """All parts as one prompt."""
        out = self.parts[0] if self.parts else ""
        for join, part in zip(self.joins, self.parts[1:], strict=False):
            out = f"{out}\n{join} {part}" if join else f"{out}\n{part}"
        return out


def conditioning_text(graph: Graph, link: object, side: str) -> Texts:
    """The texts behind a link to a conditioning, of the side `positive` or `negative`."""
    found = Texts()
    _walk(graph, link, side, found, set(), "", MAX_STEPS)
    return found


def _walk(graph: Graph, link: object, side: str, found: Texts, seen: set[tuple[str, int, str]], join: str, steps: int) -> None:
    """Follows one branch until texts are met; branches that join are followed each."""
    while steps:
        steps -= 1
        source = graph.follow(link)
        if source is None:
            found.is_whole = False
            return
        if (source[0].id, source[1], side) in seen:
            return
        node, slot = source
        seen.add((node.id, slot, side))
        if is_kind(node, "zeroout"):
            return
        if found.guidance is None and is_kind(node, "fluxguidance", "textencodeflux"):
            found.guidance = graph.number(node, "guidance")
        if "stage_c" in node.inputs:
            stage_c = node.inputs["stage_c"]
            found.stage_c = stage_c if isinstance(stage_c, Link) else None
        own = _own_text(graph, node, slot, side)
        if own is not None:
            _take(found, own, join, node)
            return
        side = _side(node, slot, side)
        ways = _ways(graph, node, side)
        if not ways:
            found.is_whole = False
            return
        join = "BREAK" if is_kind(node, "conditioningconcat") else "AND" if len(ways) > 1 else join
        if len(ways) > 1:
            for way in ways[:50]:
                _walk(graph, way, side, found, seen, join, min(steps, 100))
            return
        link = ways[0]


def _take(found: Texts, own: list[str | None], join: str, node: Node) -> None:
    found.encoder = found.encoder or node
    if all(text is None for text in own):
        found.is_whole = False
    for text in own:
        if text is not None and text.strip() and text.strip() not in (part.strip() for part in found.parts):
            if found.parts:
                found.joins.append(join)
            found.parts.append(text)


def _own_text(graph: Graph, node: Node, slot: int, side: str) -> list[str | None] | None:
    """The texts of an encoder (None for one that is not in the file); None for a node that only passes a conditioning on."""
    inputs = node.inputs
    if is_kind(node, "efficientloader", "effloader", "easyfullloader", "easya1111loader", "easycomfyloader", "ttnpipeloader", "fullloader"):
        names = ("positive", "negative")
        wanted = side if slot == 0 or slot > 2 or not is_kind(node, "eff") else names[slot - 1]
        return [resolve_text(graph, inputs.get(wanted), wanted, slot)]
    if any(
        _is_conditioning_link(graph, inputs.get(name))
        for name in ("positive", "conditioning", "conditioning_1", "conditioning1", "conditioning_to")
    ):
        return None
    has_clip = any(re.match(r"(?:opt_)?clip", name.casefold()) and isinstance(value, Link) for name, value in inputs.items())
    if not (has_clip or is_kind(node, "encode", "prompttoconditioning")):
        return None
    if side in inputs and not any(name in inputs for name in _ENCODED):
        return [resolve_text(graph, inputs[side], side, slot)]
    for name in _ENCODED:
        if name not in inputs:
            continue
        text = resolve_text(graph, inputs[name], name, slot)
        more = [resolve_text(graph, inputs[other], other, slot) for other in _SECOND.get(name, ()) if other in inputs]
        if (text is None or not text.strip()) and name in ("text", "populated_text") and not more and _has_other(node, name):
            continue
        return [text, *more]
    return None


def _has_other(node: Node, name: str) -> bool:
    return any(other in node.inputs and other != name and node.inputs[other] not in ("", None) for other in _ENCODED)


def _is_conditioning_link(graph: Graph, value: object) -> bool:
    """Whether a link leads to something other than a text."""
    source = graph.follow(value)
    return source is not None and not is_text_node(source[0])


def is_text_node(node: Node) -> bool:
    """Whether a node is about strings."""
    return is_kind(node, "string", "text", "prompt", "primitive", "note", "wildcard") and not is_kind(
        node, "encode", "conditioning", "apply"
    )


def _side(node: Node, slot: int, side: str) -> str:
    """Which of a node's two conditionings an output is: by its place where the class has both, by the asker where a pipe has many."""
    both = "positive" in node.inputs and "negative" in node.inputs
    if is_kind(node, "frombasicpipe"):
        first = 4 if is_kind(node, "v2") else 3
        return {first: "positive", first + 1: "negative"}.get(slot, side)
    if is_kind(node, "context") and is_kind(node, "rgthree"):
        return {4: "positive", 5: "negative"}.get(slot, side)
    return ("positive", "negative")[slot] if both and slot in (0, 1) and not is_kind(node, "pipe", "context") else side


def _ways(graph: Graph, node: Node, side: str) -> list[object]:
    """The inputs to follow from a node that passes a conditioning on."""
    inputs = node.inputs
    if isinstance(inputs.get(side), Link):
        return [inputs[side]]
    named: list[object] = [
        value for name, value in inputs.items() if re.match(r"cond(?:itioning)?(?:$|[_ \d])", name) and isinstance(value, Link)
    ]
    if named:
        return sorted(named, key=lambda value: value != inputs.get("conditioning_to")) if is_kind(node, "concat") else named
    piped: list[object] = [
        value for name, value in inputs.items() if re.search(r"pipe|context|ctx", name, re.IGNORECASE) and isinstance(value, Link)
    ]
    if piped:
        return piped[:1]
    rest: list[object] = [
        value for name, value in inputs.items() if isinstance(value, Link) and not _NOT_CONDITIONING.search(name.casefold())
    ]
    return rest[:1] if len(rest) > 1 and is_kind(node, "switch") else rest


# ---------------------------------------------------------------- strings


@dataclass
class Budget:
    """How many more nodes one text may ask: branches that come to nothing would multiply otherwise."""

    left: int = 2000


def resolve_text(graph: Graph, value: object, name: str, slot: int = 0, steps: int = 40, budget: Budget | None = None) -> str | None:
    """A text, or what a chain of string nodes makes of it; None if some of it is computed when the graph runs."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    source = graph.follow(value)
    budget = budget or Budget()
    budget.left -= 1
    if source is None or steps <= 0 or budget.left <= 0:
        return None
    node, slot = source
    if is_kind(node, *_COMPUTED) and not any(isinstance(node.inputs.get(key), str) for key in ("populated_text", "text_0")):
        return None
    if is_kind(node, "stringreplace", "findandreplace"):
        return _replaced(graph, node, steps, budget)
    joins = is_kind(node, "concat", "join", "combine", "append", "multiline") or node.inputs.get("action") == "append"
    if joins and "result" not in node.inputs and (joined := _joined(graph, node, steps, budget)) is not None:
        return joined
    if name in ("positive", "negative") or {"positive", "negative"} <= node.inputs.keys() or "text_positive" in node.inputs:
        for key in (("positive", "text_positive"), ("negative", "text_negative"))[slot == 1]:
            if key in node.inputs:
                return resolve_text(graph, node.inputs[key], key, 0, steps - 1, budget)
    for key in (name, *_TEXTS):
        if key in node.inputs and node.inputs[key] is not None:
            found = resolve_text(graph, node.inputs[key], key, 0, steps - 1, budget)
            if found is not None:
                return found
    alone = [text for text in node.inputs.values() if isinstance(text, str)]
    if len(alone) == 1:
        return alone[0]
    links = [link for link in node.inputs.values() if isinstance(link, Link)]
    return resolve_text(graph, links[0], name, 0, steps - 1, budget) if len(links) == 1 and not alone else None


def _replaced(graph: Graph, node: Node, steps: int, budget: Budget) -> str | None:
    """A text with one part of it replaced; None if any of the three is not in the file."""
    names = ("string" if "string" in node.inputs else "text", "find", "replace")
    text, find, replace = (resolve_text(graph, node.inputs.get(name), name, 0, min(steps - 1, 12), budget) for name in names)
    if text is None or find is None or replace is None:
        return None
    return text.replace(find, replace)[:_MAX_CHARS] if find else text


def _joined(graph: Graph, node: Node, steps: int, budget: Budget) -> str | None:
    """What a node makes of several texts; None if one of them is not in the file, or it does not join."""
    names = [name for name in node.inputs if _JOINED.fullmatch(name)]
    if len(names) < 2:
        return None
    texts = [resolve_text(graph, node.inputs[name], name, 0, min(steps - 1, 12), budget) for name in sorted(names, key=_order)[:24]]
    if any(text is None for text in texts):
        return None
    given = next((node.inputs[name] for name in _DELIMITERS if isinstance(node.inputs.get(name), str)), None)
    delimiter = (", " if is_kind(node, "was", "textconcatenate") else "") if given is None else str(given).replace("\\n", "\n")
    clean = str(node.inputs.get("clean_whitespace", "")).casefold() == "true"
    kept = [text.strip() if clean else text for text in texts if text]
    return delimiter.join(kept)


def _order(name: str) -> tuple[int, str]:
    found = _JOINED.fullmatch(name)
    part = found[1] if found else ""
    return (int(part), "") if part.isdigit() else (0, part.casefold())
