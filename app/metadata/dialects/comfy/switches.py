"""Nodes that pass one of their inputs on: links through them are put straight, so that no walk has to know of switches."""

import re
from collections.abc import Iterator

from app.metadata.dialects.comfy.graph import Graph, Link, Node
from app.metadata.dialects.told import whole

_CONDITIONS = ("switch", "boolean", "cond", "condition", "boolean_value", "bool")
_PAIRS = (("on_true", "on_false"), ("tt_value", "ff_value"), ("if_true", "if_false"), ("true", "false"))
_CHOICES = ("select", "index", "Input", "input", "selected", "selection")
_FIRST_LINKED = ("contextswitchrgthree", "anyswitchrgthree", "contextswitchbigrgthree")
_SWITCHES = ("switch", "ifelse", "conditionalbranch")
_NUMBERED = re.compile(r"\D*?0*(\d{1,3})")
_NOWHERE = Link("", 0)
"""What a switch gives whose choice was computed while the graph ran: nothing that is in the file."""
_MAX_CHAIN = 100


def settled(graph: Graph) -> Graph:
    """The graph with every link to a switch replaced by what it passes on."""
    chosen = {node.id: given for node in graph.nodes.values() if (given := _chosen(graph, node)) is not None}
    if not chosen:
        return graph
    nodes = {
        key: Node(key, node.kind, {name: _end(value, chosen) for name, value in node.inputs.items()}, node.title)
        for key, node in graph.nodes.items()
    }
    return Graph(nodes)


def _end(value: object, chosen: dict[str, object]) -> object:
    """What a link leads to past all switches; a switch of contexts passes all outputs on, so the slot stays."""
    for _ in range(_MAX_CHAIN):
        if not isinstance(value, Link) or value.node not in chosen:
            return value
        given = chosen[value.node]
        value = Link(given.node, value.slot or given.slot) if isinstance(given, Link) else given
    return _NOWHERE


def _chosen(graph: Graph, node: Node) -> object | None:
    """The value or link that a switch passes on; None for a node that is no switch, or one of an unknown make."""
    kind = node.plain_kind
    if not any(word in kind for word in _SWITCHES):
        return None
    if kind in _FIRST_LINKED:
        there = (value for _, value in sorted(node.inputs.items()) if isinstance(value, Link) and graph.follow(value) is not None)
        return next(there, _NOWHERE)
    pair = next((names for names in _pairs(node) if node.inputs.keys() & set(names)), None)
    condition = next((name for name in _CONDITIONS if name in node.inputs), None)
    if pair is not None and condition is not None:
        is_so = graph.value(node.inputs[condition], condition)
        return node.inputs.get(pair[0 if is_so else 1], _NOWHERE) if isinstance(is_so, bool) else _NOWHERE
    choice = next((name for name in _CHOICES if name in node.inputs), None)
    if choice is None:
        return None
    place = whole(graph.value(node.inputs[choice], choice))
    fitting = (value for name, value in node.inputs.items() if (found := _NUMBERED.fullmatch(name)) and int(found[1]) == place)
    return next(fitting, _NOWHERE)


def _pairs(node: Node) -> Iterator[tuple[str, str]]:
    """Names that the two inputs of a yes-or-no switch may have."""
    yield from _PAIRS
    for name in node.inputs:
        if name.endswith("_a"):
            yield name, f"{name[:-1]}b"
