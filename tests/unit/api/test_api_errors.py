"""What people and programs get wrong: each gets a status and one clear reason, and the server goes on."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.api.security import MAX_BODY_BYTES
from app.models import EMBEDDED

from .conftest import CASES, SMALL, World, picture

APIERRORS = json.loads((CASES / "apierrors.json").read_text(encoding="utf-8"))


def with_files(value: object) -> object:
    """`file:PATH` in a recorded request is the base64 of that file."""
    if isinstance(value, str) and value.startswith("file:"):
        return base64.b64encode((CASES / value[5:]).read_bytes()).decode()
    if isinstance(value, list):
        return [with_files(item) for item in value]
    return {key: with_files(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("case", APIERRORS, ids=lambda case: case["id"])
def test_errors_of_a1111_to_the_letter(client: TestClient, case: dict) -> None:
    response = client.post(case["endpoint"], json=with_files(case["request"]))
    assert (response.status_code, response.json()) == (case["status"], case["answer"])


BAD = {
    "unknown sampler": ({"sampler_name": "Euler z"}, "Did you mean Euler"),
    "unknown scheduler": ({"scheduler": "Karas"}, "Did you mean Karras"),
    "width 7": ({"width": 7}, "width: "),
    "width 0": ({"width": 0}, "width: "),
    "too many pixels": ({"width": 16384, "height": 16384}, "megapixels"),
    "steps 0": ({"steps": 0}, "steps: "),
    "steps -3": ({"steps": -3}, "steps: "),
    "batch size 0": ({"batch_size": 0}, "batch_size: "),
    "too many pictures": ({"batch_size": 1000, "n_iter": 1000}, "pictures"),
    "a prompt of a megabyte": ({"prompt": "cat " * 262144}, "prompt: "),
    "null prompt": ({"prompt": None}, "prompt may not be null"),
    "null cfg": ({"cfg_scale": None}, "cfg_scale may not be null"),
    "unknown option": ({"override_settings": {"no_such_option": 1}}, "no_such_option"),
    "unknown checkpoint": ({"override_settings": {"sd_model_checkpoint": "nope"}}, "'nope'"),
    "unknown sampler in an infotext": ({"sampler_name": None, "sampler_index": "zzz"}, "'zzz'"),
    "a variation of more than all": ({"subseed_strength": 1.5}, "subseed_strength: "),
    "negative churn": ({"s_churn": -1}, "s_churn: "),
    "endless sigma": ({"override_settings": {"sigma_max": "inf"}}, "sigma_max should be a finite number"),
    "a hires pass that is too large": ({"enable_hr": True, "hr_scale": 16, "width": 1024, "height": 1024}, "megapixels"),
    "a hires pass of nothing": ({"enable_hr": True, "hr_scale": 0.1}, "sides of at least 8 pixels"),
    "a hires target that is too large": ({"enable_hr": True, "hr_resize_x": 20000}, "hr_resize_x: "),
    "a hires factor below 0": ({"enable_hr": True, "hr_scale": -2}, "hr_scale: "),
    "hires steps": ({"enable_hr": True, "hr_second_pass_steps": 5000}, "hr_second_pass_steps: "),
    "unknown hires sampler": ({"enable_hr": True, "hr_sampler_name": "Oiler"}, "There is no sampler 'Oiler'"),
    "unknown hires scheduler": ({"enable_hr": True, "hr_scheduler": "Karas"}, "Did you mean Karras"),
    "a hires prompt of a megabyte": ({"enable_hr": True, "hr_prompt": "cat " * 262144}, "hr_prompt: "),
    "a strength of 2": ({"enable_hr": True, "denoising_strength": 2}, "denoising_strength: "),
    "a switch at 2": ({"refiner_checkpoint": EMBEDDED, "refiner_switch_at": 2}, "refiner_switch_at: "),
    "tokens that are all one": ({"override_settings": {"token_merging_ratio": 1}}, "token_merging_ratio: "),
    "a noise schedule": ({"override_settings": {"sd_noise_schedule": "None"}}, "Zero Terminal SNR"),
    "args of a script": ({"alwayson_scripts": {"seed": {"args": None}}}, "'seed'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_request_gets_a_reason(world: World, client: TestClient, name: str) -> None:
    fields, reason = BAD[name]
    response = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert 400 <= response.status_code < 500, response.text
    body = response.json()
    assert list(body) == ["error", "detail", "body", "errors"] and reason in body["errors"] and len(body["errors"]) < 500
    assert world.jobs.list() == [] and world.engine.jobs == []
    assert client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200


UNSUPPORTED = [
    {"restore_faces": True},
    {"override_settings": {"sd_vae_decode_method": "TAESD"}},
    {"infotext": "a\nSteps: 3, Sampler: Euler, Seed: 1, FP8 weight: Enable"},
]


@pytest.mark.parametrize("fields", UNSUPPORTED, ids=str)
def test_what_is_not_there_yet_is_refused_with_the_reason(world: World, client: TestClient, fields: dict) -> None:
    response = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert response.status_code == 422, response.text
    assert response.json()["error"] == "NotSupported" and "not" in response.json()["errors"]
    assert world.engine.jobs == []


NEUTRAL = [
    {"enable_hr": False, "hr_upscaler": "nope", "hr_scale": 2, "denoising_strength": 0.7},
    {"tiling": False, "restore_faces": False, "subseed": 5, "subseed_strength": 0, "seed_resize_from_w": 0, "seed_resize_from_h": 0},
    {"eta": 1.0, "s_churn": 0, "s_tmin": 0, "s_tmax": 0, "s_noise": 1},
    {"sampler_name": "Euler a", "eta": 1.0},
    {"sampler_name": "DPM++ 2M", "eta": 0.3, "s_churn": 5},
    {"refiner_checkpoint": EMBEDDED, "refiner_switch_at": 1.0},
    {"refiner_checkpoint": "None"},
    {"alwayson_scripts": {"Refiner": {"args": [True, "nope", 0.5]}, "seed": {}}},
    {"override_settings": {"sd_vae": "Automatic", "eta_noise_seed_delta": 0.0}},
]


@pytest.mark.parametrize("fields", NEUTRAL, ids=str)
def test_neutral_values_are_accepted(client: TestClient, fields: dict) -> None:
    response = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert response.status_code == 200, response.text


IMG2IMG_BAD = {
    "no picture in the list": ({"init_images": []}, 422, "expecting 1 to 1"),
    "more pictures than the batch": ({"init_images": [picture(), picture()]}, 422, "bad number of images passed: 2"),
    "strength 2": ({"denoising_strength": 2}, 422, "denoising_strength"),
    "an address": ({"init_images": ["http://127.0.0.1:1/x.png"]}, 422, "base64"),
    "latent mask": ({"latent_mask": picture()}, 422, "latent_mask"),
    "null for the mask's blur": ({"mask": picture(), "mask_blur_x": None}, 422, "mask_blur_x"),
    "blur of a thousand pixels": ({"mask": picture(), "mask_blur": 1000}, 422, "mask_blur_x"),
    "fill of another kind": ({"mask": picture(), "inpainting_fill": 4}, 422, "inpainting_fill"),
    "too many arguments": ({"mask": picture(), "alwayson_scripts": {"Soft inpainting": {"args": [True] * 8}}}, 422, "7 arguments"),
    "noise multiplier": ({"initial_noise_multiplier": -0.7}, 422, "initial_noise_multiplier"),
}


@pytest.mark.parametrize("name", IMG2IMG_BAD)
def test_a_wrong_img2img_request_gets_a_reason(client: TestClient, name: str) -> None:
    fields, status, reason = IMG2IMG_BAD[name]
    response = client.post("/sdapi/v1/img2img", json={**SMALL, "init_images": [picture()], **fields})
    assert response.status_code == status and reason in response.json()["errors"], response.text


def test_a_cut_picture_is_refused_and_nothing_is_left(world: World, client: TestClient) -> None:
    response = client.post("/sdapi/v1/img2img", json={**SMALL, "init_images": [picture((512, 512))[:200]]})
    assert (response.status_code, response.json()["detail"]) == (500, "Invalid encoded image")
    assert [path for path in (world.settings.data_dir / "cache" / "inputs").rglob("*") if path.is_file()] == []


def test_a_broken_checkpoint_is_refused_with_its_problem(build, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "broken.safetensors").write_bytes(b"not a checkpoint at all")
    client = build(ckpt_dir=folder).client()
    response = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "broken"})
    assert response.status_code == 422 and response.json()["error"] == "BadModelFile" and "broken" in response.json()["errors"]
    assert [model["model_name"] for model in client.get("/sdapi/v1/sd-models").json()] == [EMBEDDED]
    listed = client.get("/api/v1/models").json()["checkpoints"]
    assert {model["name"]: bool(model["problem"]) for model in listed} == {"broken": True, EMBEDDED: False}


def test_other_json_than_an_object(client: TestClient) -> None:
    for body in (b"null", b"3", b'"text"', b"[]", b"[" * 100_000, b"\xff\xfe\x00"):
        response = client.post("/sdapi/v1/txt2img", content=body, headers={"content-type": "application/json"})
        assert 400 <= response.status_code < 500, (body[:10], response.text)
        assert response.json()["detail"]


def test_json_without_a_content_type_is_read_as_a1111_reads_it(client: TestClient) -> None:
    assert client.post("/sdapi/v1/txt2img", content=json.dumps(SMALL).encode()).status_code == 200


def test_a_body_that_is_declared_too_large_is_refused(client: TestClient) -> None:
    declared = client.post("/sdapi/v1/png-info", content=b"{}", headers={"content-length": str(MAX_BODY_BYTES + 1)})
    assert declared.status_code == 413


def test_a_body_over_the_limit_is_refused_while_it_comes(world: World) -> None:
    """Asked of the application itself: a test client would gather the whole body first."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/sdapi/v1/png-info", "headers": headers, "query_string": b"", "scheme": "http"}
    part, received, answer = b" " * 2**22, 0, []

    async def receive() -> dict:
        nonlocal received
        received += len(part)
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: dict) -> None:
        answer.append(message)

    asyncio.run(world.app()(scope, receive, send))
    assert answer[0]["status"] == 413 and b"256 MiB" in answer[1]["body"]
    assert received <= MAX_BODY_BYTES + len(part)


def test_own_api_answers_with_a_code(client: TestClient) -> None:
    for response, status, code in (
        (client.get("/api/v1/jobs/nope"), 404, "not_found"),
        (client.get("/api/v1/pictures/nope"), 404, "not_found"),
        (client.post("/api/v1/jobs", json={"prompt": "a", "steps": 0}), 422, "invalid_params"),
        (client.post("/api/v1/jobs", json={"prompt": "a", "no_such_field": 0}), 422, "invalid_params"),
        (client.post("/api/v1/jobs", json={"sampler": "zzz"}), 404, "unknown_name"),
        (client.post("/api/v1/jobs", json={"mode": "img2img"}), 422, "invalid_params"),
        (client.post("/api/v1/jobs", json={"mode": "img2img", "init_images": ["a" * 64]}), 404, "not_found"),
        (client.post("/api/v1/jobs", json={"mode": "img2img", "images": ["aGVsbG8="]}), 422, "bad_picture"),
        (client.post("/api/v1/inputs", content=b"text in a file called x.png"), 422, "bad_picture"),
    ):
        assert (response.status_code, response.json()["code"]) == (status, code), response.text
        assert len(response.json()["detail"]) > 10


def test_an_endless_number_in_a_text_is_no_number(client: TestClient) -> None:
    response = client.post("/sdapi/v1/txt2img", json={**SMALL, "cfg_scale": "inf"})
    told = [{"loc": ["body", "cfg_scale"], "msg": "value is not a valid float", "type": "type_error.float"}]
    assert (response.status_code, response.json()["detail"]) == (422, told)


def test_a_fault_of_ours_tells_no_details(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.engine.fail_with = RuntimeError("a secret path /home/somebody")
    client = world.client()
    for path, body in (("/sdapi/v1/txt2img", SMALL), ("/api/v1/jobs", {"prompt": "a"})):
        response = client.post(path, json=body)
        assert response.status_code == 500 and "somebody" not in response.text and "log" in response.text
    assert "/sdapi/v1/txt2img failed: RuntimeError" in caplog.text
