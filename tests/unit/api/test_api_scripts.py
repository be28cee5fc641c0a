"""Scripts through A1111's API and our own."""

import json

import pytest

from .conftest import SMALL, example, picture, pixels

MATRIX = {**SMALL, "prompt": "a|b", "script_name": "Prompt Matrix", "script_args": [False, False, "positive", "comma", 0]}
MISSING = {"Hypertile", "extra options"}
"""Of A1111's scripts, those that are always on and that are not here."""


def test_the_answer_has_the_scripts_pictures_and_texts(client):
    wanted = example("txt2img-script")["response"]
    answer = client.post("/sdapi/v1/txt2img", json=MATRIX).json()
    info, wanted_info = json.loads(answer["info"]), json.loads(wanted["info"])
    assert len(answer["images"]) == len(wanted["images"]) == 3 and pixels(answer["images"][0]).shape == (72, 128, 3)
    for key in ("prompt", "all_prompts", "all_negative_prompts", "all_seeds", "index_of_first_image"):
        assert info[key] == wanted_info[key], key
    assert [text.split("\n")[0] for text in info["infotexts"]] == [text.split("\n")[0] for text in wanted_info["infotexts"]]
    assert answer["parameters"]["script_args"] == MATRIX["script_args"]


def test_every_script_of_a1111_is_listed_with_its_arguments(client):
    wanted, here = example("scripts")["response"], client.get("/sdapi/v1/scripts").json()
    for mode, names in wanted.items():
        assert here[mode] == [name for name in names if name not in MISSING]
    listed = {(entry["name"], entry["is_img2img"]): entry for entry in client.get("/sdapi/v1/script-info").json()}
    for entry in example("script-info")["response"]:
        if entry["is_alwayson"] or entry["name"] in MISSING:
            continue
        found = listed[entry["name"], entry["is_img2img"]]
        assert [argument["label"] for argument in found["args"]] == [argument["label"] for argument in entry["args"]], entry["name"]
        for mine, theirs in zip(found["args"], entry["args"], strict=True):
            neural = theirs["choices"] is not None and "DAT x2" in theirs["choices"]  # upscalers that are not here
            same = ("minimum", "maximum", "step", *(() if neural else ("choices",)))
            assert {key: mine[key] for key in same} == {key: theirs[key] for key in same}, (entry["name"], mine["label"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"script_args": [False]}, "takes 5 script_args"),
        ({"script_args": []}, "0 were given"),
        ({"script_args": [False, False, "upper", "comma", 0]}, "one of positive, negative"),
        ({"script_args": [None] * 500}, "more than any script takes"),
        ({"script_name": "sd upscale", "script_args": [None, 16, "None", 2]}, "not found"),
    ],
)
def test_wrong_arguments_are_422_with_a_sentence(client, changes, words):
    response = client.post("/sdapi/v1/txt2img", json={**MATRIX, **changes})
    assert response.status_code == 422 and words in response.text
    assert client.get("/api/v1/jobs").json() == []


def test_a_blur_that_does_not_fit_is_422_too(client):
    request = {**SMALL, "init_images": [picture()], "script_name": "outpainting mk2", "script_args": [None, 64, 64, ["left"], 1, 0.05]}
    response = client.post("/sdapi/v1/img2img", json=request)
    assert response.status_code == 422 and "choose a smaller blur" in response.json()["errors"]


def test_our_own_api_takes_scripts(client):
    call = {"name": "prompt matrix", "arguments": MATRIX["script_args"]}
    job = client.post("/api/v1/jobs", json={"prompt": "a|b", "width": 64, "height": 64, "steps": 2, "script": call}).json()["id"]
    for _ in range(500):
        told = client.get(f"/api/v1/jobs/{job}").json()
        if told["state"] == "done":
            break
    assert told["script"] == "prompt matrix" and len(told["pictures"]) == 2 and told["grid"]["number"] == -1 and told["grids"] == []
    assert client.get("/api/v1/queue").json()["latest"][0]["wanted"] == 2
