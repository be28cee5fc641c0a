"""Checkpoints in parts, through the API: a diffusers folder draws its single file's picture, a text encoder reads for another network."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.models import Catalog
from app.schema.settings import ServerSettings
from app.server import Front
from tests.support.diffusers_folders import save_folder
from tests.support.paths import ROOT

REQUEST = {"prompt": "a (red:1.2) house", "seed": 3, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler a"}


@pytest.fixture
def client(tiny_data: Path) -> Iterator[TestClient]:
    folder = tiny_data / "models" / "Stable-diffusion"
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    save_folder(catalog.find("tiny-a"), folder / "of diffusers v1.5", shard="1MB")
    catalog.close()
    others = {name: tensor for name, tensor in load_file(folder / "tiny-b.safetensors").items() if name.startswith("cond_stage_model.")}
    with safe_open(folder / "tiny-a.safetensors", "pt") as file:
        save_file({**load_file(folder / "tiny-a.safetensors"), **others}, folder / "a-with-bs-text.safetensors", file.metadata())
    embedded = ROOT / "models" / "Stable-diffusion"
    settings = ServerSettings(data_dir=tiny_data, embedded_dir=embedded, device="cpu", dtype="fp32", nowebui=True)
    with TestClient(Front(settings), base_url="http://127.0.0.1") as made:
        yield made


def drawn(client: TestClient, checkpoint: str, request: dict[str, Any] = REQUEST, **override: object) -> tuple[bytes, str]:
    overriding = {"sd_model_checkpoint": checkpoint, **override}
    answer = client.post("/sdapi/v1/txt2img", json={**request, "override_settings": overriding})
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))
    return picture.tobytes(), json.loads(answer.json()["info"])["infotexts"][0]


def test_a_folders_picture_is_the_single_files(client: TestClient) -> None:
    listed = {entry["model_name"]: entry for entry in client.get("/sdapi/v1/sd-models").json()}
    entry = listed["of diffusers v1.5"]
    assert entry["title"].startswith("of diffusers v1.5") and entry["config"] is None
    folder, single = drawn(client, entry["title"]), drawn(client, "tiny-a")
    assert folder[0] == single[0]
    assert "Model: of diffusers v1.5" in folder[1] and "Model: tiny-a" in single[1]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"prompt": "a house <lora:te-only:0.8>", "negative_prompt": "tinyone"},
        {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7},
        {"refiner_checkpoint": "tiny-c", "refiner_switch_at": 0.3},
    ],
)
def test_a_text_encoder_reads_for_another_checkpoints_network(client: TestClient, more: dict[str, Any]) -> None:
    request = {**REQUEST, **more}
    picture, infotext = drawn(client, "tiny-a", request, sd_text_encoder="tiny-b")
    plain, _ = drawn(client, "tiny-a", request)
    assert picture != plain
    assert picture == drawn(client, "a-with-bs-text", request)[0]  # the same with the other text encoder in its file
    assert "Text encoder: tiny-b [" in infotext
    assert drawn(client, "tiny-a", {**request, "infotext": infotext}) == (picture, infotext)
    for own in ("", "None", "tiny-a"):
        assert drawn(client, "tiny-a", request, sd_text_encoder=own)[0] == plain


def test_a_text_encoder_that_does_not_fit_is_refused(client: TestClient) -> None:
    for name, status, sentence in (
        ("sdxl-a", 422, "cannot draw from what the text encoder of sdxl-a reads"),
        ("nothing", 404, "no text encoder 'nothing'"),
    ):
        answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, "override_settings": {"sd_text_encoder": name}})
        assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    answer = client.post("/sdapi/v1/options", json={"sd_text_encoder": "tiny-b"})
    assert answer.status_code == 200 and drawn(client, "tiny-a")[1].count("Text encoder") == 1
