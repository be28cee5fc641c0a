"""Nodes of the packs that people use, each in a small graph that says the same as the plain one: what comes back is the same, too."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.metadata import parse_infotext, read_text
from tests.support.comfy_graphs import base, said

DATA = Path(__file__).parents[2] / "data" / "comfy"
CASES: list[dict[str, Any]] = json.loads((DATA / "nodes.json").read_text(encoding="utf-8"))
"""What is added to the plain graph, what is left out of it, and what its settings differ in (null: not told)."""
PLAIN = {
    "Prompt": "a castle", "Negative prompt": "fog", "Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "6.5",
    "Seed": "11", "Size-1": "640", "Size-2": "448", "Model": "base",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_graph_says(case: dict[str, Any]) -> None:
    nodes = {name: one for name, one in base(**case["nodes"]).items() if name not in case.get("without", ())}
    told = said(nodes)
    wanted = PLAIN | case["differs"]
    assert {name: told.get(name) for name in wanted} == wanted


def test_a_switch_whose_choice_is_computed_tells_nothing() -> None:
    switch = {"class_type": "ImpactSwitch", "inputs": {"select": ["r", 0], "input1": ["bad", 0], "input2": ["good", 0]}}
    nodes = base(sw=switch, r={"class_type": "ImpactLogicalOperators", "inputs": {}})
    nodes["pass"]["inputs"]["positive"] = ["sw", 0]
    record = read_text(json.dumps(nodes))
    assert record.recipe is not None and parse_infotext(record.infotext)["Prompt"] == ""
    assert any("computed while the graph ran" in sentence for sentence in record.recipe.warnings)


def test_switches_in_a_circle_end() -> None:
    circle = {"class_type": "Any Switch (rgthree)", "inputs": {"any_01": ["sw", 0]}}
    nodes = base(sw=circle)
    nodes["pass"]["inputs"]["positive"] = ["sw", 0]
    assert said(nodes)["Prompt"] == ""


@pytest.mark.parametrize("mark", ["/", ">"])
@pytest.mark.parametrize("values", ["own", "missing"])
def test_a_group_node_of_a_workflow(mark: str, values: str) -> None:
    """Its inner nodes are not in the list of nodes; the group's own values stand in one row, or theirs count."""
    workflow = json.loads((DATA / "group.json").read_text(encoding="utf-8"))
    group = next(node for node in workflow["nodes"] if node["type"] == "workflow/core")
    group["type"] = f"workflow{mark}core"
    if values == "missing":
        group["widgets_values"] = []
    told = parse_infotext(read_text(json.dumps(workflow)).infotext)
    wanted = PLAIN if values == "own" else {**PLAIN, "Prompt": "default", "Seed": "1", "Sampler": "Euler", "Size-1": "512"}
    for name in ("Prompt", "Negative prompt", "Seed", "Sampler", "Size-1", "Model"):
        assert told[name] == wanted[name], name
