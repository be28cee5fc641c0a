"""A ComfyUI graph: nodes with values and links, from the API form, and the questions that every walk asks."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from app.metadata.dialects.told import number
from app.metadata.json_text import as_dict

MAX_NODES = 20_000
MAX_STEPS = 400
"""Longest chain of links that is followed; longer ones run in a circle, or are no workflow of a person."""


class Link(NamedTuple):
    """An input that comes from another node's output."""

    node: str
    slot: int


@dataclass(frozen=True)
class Node:
    """One node: its class, and its inputs, which are values or links."""

    id: str
    kind: str
    inputs: Mapping[str, object]
    title: str = ""

    @cached_property
    def plain_kind(self) -> str:
        """The class's name in lower case letters and digits only."""
        return re.sub(r"[^a-z0-9+]", "", self.kind.casefold())


@dataclass(frozen=True)
class Graph:
    """Nodes by their id."""

    nodes: Mapping[str, Node] = field(default_factory=dict)

    def source(self, node: Node, name: str) -> tuple[Node, int] | None:
        """Where an input comes from: (node, slot); None for a value and for a link into nothing."""
        return self.follow(node.inputs.get(name))

    def follow(self, value: object) -> tuple[Node, int] | None:
        """The node behind a link, and which of its outputs."""
        if not isinstance(value, Link):
            return None
        found = self.nodes.get(value.node)
        return (found, value.slot) if found is not None else None

    def links(self, node: Node) -> Iterator[tuple[str, Node, int]]:
        """(input's name, node, slot) of every link into the node."""
        for name, value in node.inputs.items():
            found = self.follow(value)
            if found is not None:
                yield name, *found

    def number(self, node: Node, *names: str) -> str | None:
        """The first of these inputs that is a number, through any chain of primitives; None if its value is not in the graph."""
        for name in names:
            found = self.value(node.inputs.get(name), name)
            if number(found) is not None:
                return str(found)
        return None

    def word(self, node: Node, *names: str) -> str | None:
        """As `number`, for a name."""
        for name in names:
            found = self.value(node.inputs.get(name), name)
            if isinstance(found, str) and found:
                return found
        return None

    def value(self, value: object, name: str, steps: int = 20) -> object:
        """A plain value, or what a node of primitives gives for the link; None if that is computed when the graph runs."""
        while isinstance(value, Link) and steps:
            found = self.follow(value)
            if found is None:
                return None
            value = _given(found[0], found[1], name)
            steps -= 1
        return None if isinstance(value, Link) else value


_ALIKE: Mapping[str, tuple[str, ...]] = {
    "seed": ("seed", "noise_seed", "seed_num", "seed_value", "global_seed"),
    "noise_seed": ("noise_seed", "seed", "seed_num", "global_seed"),
    "steps": ("steps", "steps_total"),
    "sampler_name": ("sampler_name", "sampler"),
    "scheduler": ("scheduler", "scheduler_name"),
    "text": ("text", "string", "prompt"),
}
_PLAIN = (
    "value",
    "Value",
    "int",
    "INT",
    "float",
    "FLOAT",
    "number",
    "Number",
    "constant",
    "string",
    "String",
    "text",
    "Text",
    "STRING",
    "a",
    "any",
)
_SLOTS: Mapping[str, tuple[str, ...]] = {
    "KSampler Config (rgthree)": ("steps_total", "refiner_step", "cfg", "sampler_name", "scheduler"),
}


def _given(node: Node, slot: int, name: str) -> object:
    """The input of a node of primitives that its output repeats."""
    told = _SLOTS.get(node.kind)
    if told is not None:
        return node.inputs.get(told[slot]) if slot < len(told) else None
    if is_kind(node, "math", "expression", "calculat"):
        return None
    for wanted in (*_ALIKE.get(name, ()), name, *_PLAIN):
        if wanted in node.inputs:
            return node.inputs[wanted]
    piped = [node.inputs[pipe] for pipe in ("base_ctx", "basic_pipe", "pipe", "context") if isinstance(node.inputs.get(pipe), Link)]
    alone = piped or list(node.inputs.values())
    return alone[0] if len(alone) == 1 else None


def api_graph(said: Mapping[str, Any] | None) -> Graph | None:
    """The graph of an API prompt, `{id: {class_type, inputs}}`; None for an object that is none."""
    if not said:
        return None
    nodes: dict[str, Node] = {}
    for key, value in list(said.items())[:MAX_NODES]:
        if isinstance(value, dict) and isinstance(value.get("class_type"), str):
            inputs = {name: _input(given) for name, given in as_dict(value.get("inputs")).items()}
            nodes[str(key)] = Node(str(key), value["class_type"], inputs, str(as_dict(value.get("_meta")).get("title") or ""))
    return Graph(nodes) if nodes else None


def _input(value: object) -> object:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and type(value[1]) is int:
        return Link(str(value[0]), value[1])
    if isinstance(value, dict) and "__value__" in value:  # newer front ends wrap lists so that they are no links
        return value["__value__"]
    if isinstance(value, dict) and isinstance(value.get("content"), str):  # lists with pictures: the file's name beside its preview
        return value["content"]
    return value


def is_kind(node: Node, *words: str) -> bool:
    """Whether the node's class has one of these words in it, whatever the case and the spacing."""
    kind = node.plain_kind
    return any(word in kind for word in words)


def first(found: Iterable[object]) -> object | None:
    """The first that is not None."""
    return next((one for one in found if one is not None), None)
