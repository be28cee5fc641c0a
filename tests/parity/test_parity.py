"""Requests that AUTOMATIC1111 1.10.1 was sent, and what it answered: pictures within 1 of 255, infotexts field by field."""

import json
import random
import re
from functools import cache
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.schema.options import default_values
from tests.parity.compare import PARITY, differences, with_files
from tests.support.arithmetic import SAME_SUMS

PICTURES = ("core", "pocket", "samplers", "schedulers", "prompt", "seeds", "guidance", "adapters", "vae", "hires", "mix", "sd2", "sdxl")
PICTURES += ("img2img", "inpaint")
FOLLOW_ROUNDING = (
    r"hires-v$", r"sd2-vsampler-[14]$", r"sd2-hires-1$", r"sdxl-(?:refiner-8|vpred-[0-3]|img2img-[57-9]|hires-1|sampler-7|scheduler-5)$",
    r"sdxl-inpaint-[0-5]$", r"inpaint-(?:batch-3|returns-1|fill-4|nine-7|colorcorr-1)$", r"img2img-(?:sampler-12|colorcorr-2)$",
)  # fmt: skip
"""Cases that amplify one unit in the last place to more than their bound: they are equal where arithmetic is the references' own (see
`tests.support.arithmetic`), and left out elsewhere."""
LEFT_OUT = () if SAME_SUMS else FOLLOW_ROUNDING
TOLD = ("all_seeds", "all_prompts", "all_negative_prompts", "width", "height", "steps", "sampler_name", "cfg_scale")
TOLD += ("extra_generation_params",)
DEFAULTS: dict[str, Any] = json.loads((PARITY / "defaults.json").read_text(encoding="utf-8"))


def name(case: dict[str, Any]) -> str:
    return f"{case['group']}-{case['id']}"


def cases(*groups: str) -> list[dict[str, Any]]:
    """All cases of the groups, in an order of their own: none may depend on what ran before it."""
    found = []
    for group in groups:
        read = json.loads((PARITY / "cases" / f"{group}.json").read_text(encoding="utf-8"))
        every = read["cases"] if isinstance(read, dict) else read
        found += [case for case in every if not any(re.match(pattern, name(case)) for pattern in LEFT_OUT)]
    random.Random(8).shuffle(found)
    return found


@cache
def touched() -> dict[str, Any]:
    """The defaults of all options that some case sets: none may reach the next case."""
    defaults = default_values()
    return {name: defaults[name] for case in cases(*PICTURES) for name in case["options"]}


def with_options(client: TestClient, case: dict[str, Any]) -> None:
    answer = client.post("/sdapi/v1/options", json={**touched(), **DEFAULTS, **case["options"]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("case", cases(*PICTURES), ids=name)
def test_picture(client: TestClient, case: dict[str, Any]) -> None:
    with_options(client, case)
    response = client.post(case["endpoint"], json=with_files(case["request"]))
    assert response.status_code == 200, response.text
    answer = response.json()
    info = json.loads(answer["info"])
    assert list(differences(case, answer, info)) == []
    for key in TOLD:
        if key in case.get("info", {}):
            assert info[key] == case["info"][key], key


@pytest.mark.parametrize("case", cases("scripts"), ids=name)
def test_script(client: TestClient, case: dict[str, Any]) -> None:
    with_options(client, case)
    response = client.post(case["endpoint"], json=with_files(case["request"]))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert list(differences(case, answer, json.loads(answer["info"]))) == []


@pytest.mark.parametrize("case", cases("extras"), ids=name)
def test_extras(client: TestClient, case: dict[str, Any]) -> None:
    with_options(client, case)
    response = client.post(case["endpoint"], json=with_files(case["request"]))
    assert response.status_code == 200, response.text
    answer = response.json()
    images = answer["images"] if "images" in answer else [answer["image"]]
    assert list(differences(case, {"images": images}, {"infotexts": []})) == []
    assert answer["html_info"] == case["html_info"]


@pytest.mark.parametrize("case", cases("apierrors"), ids=name)
def test_error(client: TestClient, case: dict[str, Any]) -> None:
    response = client.post(case["endpoint"], json=with_files(case["request"]))
    assert response.status_code == case["status"], response.text
    assert response.json() == case["answer"]
