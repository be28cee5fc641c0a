"""ComfyUI's group nodes, the forerunners of subgraphs: several nodes under one name, kept in the workflow's `extra`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.metadata.json_text import as_dict, as_list

_NAMED = re.compile(r"workflow[/>](.+)", re.DOTALL)
_INPUT_NODE, _OUTPUT_NODE = -10, -20
_MAX_NODES = 500

Place = tuple[int, int]
"""(number of the inner node, number of its input or output)."""


def group_of(raw: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any] | None:
    """The nodes behind one group node of a workflow, in the form of a subgraph; None for a node that is none."""
    named = _NAMED.fullmatch(str(raw.get("type") or ""))
    group = as_dict(as_dict(as_dict(said.get("extra")).get("groupNodes")).get(named[1])) if named else {}
    inner = [as_dict(one) for one in as_list(group.get("nodes"))[:_MAX_NODES]]
    if not inner:
        return None
    wires = list(_wires(group, len(inner)))
    links = [_link(number, start, end) for number, (start, end) in enumerate(wires)]
    fed = {end for _, end in wires}
    free = [(node, slot) for node, one in enumerate(inner) for slot in range(len(as_list(one.get("inputs")))) if (node, slot) not in fed]
    outer = [as_dict(one) for one in as_list(raw.get("inputs"))]
    plain = [str(one.get("name")) for one in outer if not one.get("widget")]
    entries = list(zip(plain, free, strict=False))
    links += [_link(len(links) + number, (_INPUT_NODE, number), place) for number, (_, place) in enumerate(entries)]
    links += [_link(len(links) + slot, place, (_OUTPUT_NODE, slot)) for slot, place in enumerate(_exits(inner, wires, group))]
    nodes = _with_values(inner, as_list(raw.get("widgets_values")))
    given = {(link["target_id"], link["target_slot"]): link["id"] for link in links}
    for number, node in enumerate(nodes):
        slots = enumerate(map(as_dict, as_list(node.get("inputs"))))
        node |= {"id": number, "inputs": [one | {"link": given.get((number, slot))} for slot, one in slots]}
    return {"inputs": [{"name": name} for name, _ in entries], "nodes": nodes, "links": links}


def _link(number: int, start: Place, end: Place) -> dict[str, int]:
    return {"id": number, "origin_id": start[0], "origin_slot": start[1], "target_id": end[0], "target_slot": end[1]}


def _wires(group: Mapping[str, Any], count: int) -> Iterator[tuple[Place, Place]]:
    """(output, input) of the links between inner nodes; one that comes from outside has no first node."""
    for link in as_list(group.get("links")):
        ends = as_list(link)[:4]
        if len(ends) == 4 and all(type(one) is int for one in ends) and 0 <= ends[0] < count and 0 <= ends[2] < count:
            yield (ends[0], ends[1]), (ends[2], ends[3])


def _exits(inner: list[dict[str, Any]], wires: list[tuple[Place, Place]], group: Mapping[str, Any]) -> list[Place]:
    """The outputs that the group shows, in their order: those that no inner node takes, and those that are asked for outside as well."""
    asked = {tuple(as_list(one)[:2]) for one in as_list(group.get("external"))}
    taken = {start for start, _ in wires}
    every = ((node, slot) for node, one in enumerate(inner) for slot in range(len(as_list(one.get("outputs")))))
    return [place for place in every if place not in taken or place in asked]


def _with_values(inner: list[dict[str, Any]], values: list[Any]) -> list[dict[str, Any]]:
    """The inner nodes with the group's own values, which stand in one row; with theirs if the numbers do not fit."""
    own = [as_list(one.get("widgets_values")) for one in inner]
    if sum(map(len, own)) != len(values):
        return [dict(one) for one in inner]
    found, at = [], 0
    for one, before in zip(inner, own, strict=True):
        found.append({**one, "widgets_values": values[at : at + len(before)]})
        at += len(before)
    return found
