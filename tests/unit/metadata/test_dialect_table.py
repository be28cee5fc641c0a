"""Every program, version and way of writing that is known, one record each: `tests/data/dialects.json` has the texts and what they say."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.metadata import PictureRecord, params_from_infotext, parse_infotext, read_recipe, read_text

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "dialects.json").read_text(encoding="utf-8"))
"""`said` are A1111's labels; null: the text does not tell."""


def infotext_of(case: dict[str, Any]) -> str:
    given = {name: case.get(name, empty) for name, empty in (("text", ""), ("items", {}), ("tags", {}))}
    recipe = read_recipe(PictureRecord(format="PNG", width=512, height=768, **given))
    assert recipe is not None
    return recipe.infotext


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_record_says(case: dict[str, Any]) -> None:
    told = parse_infotext(infotext_of(case))
    assert {name: told.get(name) for name in case["said"]} == case["said"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_reading_twice_changes_nothing_and_restoring_works(case: dict[str, Any]) -> None:
    once = infotext_of(case)
    assert parse_infotext(read_text(once).infotext) == parse_infotext(once)
    restored = params_from_infotext(once)
    if case["said"].get("Seed") is not None:
        assert str(restored.values["seed"]) == case["said"]["Seed"]
