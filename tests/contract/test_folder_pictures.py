"""A diffusers folder through the API: chosen by its name, drawing its single file's picture, and its own name in the settings."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.models import Catalog
from app.schema.settings import ServerSettings
from app.server import Front
from tests.support.diffusers_folders import save_folder
from tests.support.paths import ROOT

REQUEST = {"prompt": "a (red:1.2) house", "seed": 3, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler a"}


@pytest.fixture
def client(tiny_data: Path) -> Iterator[TestClient]:
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    save_folder(catalog.find("tiny-a"), tiny_data / "models" / "Stable-diffusion" / "of diffusers v1.5", shard="1MB")
    catalog.close()
    embedded = ROOT / "models" / "Stable-diffusion"
    settings = ServerSettings(data_dir=tiny_data, embedded_dir=embedded, device="cpu", dtype="fp32", nowebui=True)
    with TestClient(Front(settings), base_url="http://127.0.0.1") as made:
        yield made


def drawn(client: TestClient, checkpoint: str) -> tuple[bytes, str]:
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, "override_settings": {"sd_model_checkpoint": checkpoint}})
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))
    return picture.tobytes(), json.loads(answer.json()["info"])["infotexts"][0]


def test_the_picture_is_the_single_files(client: TestClient) -> None:
    listed = {entry["model_name"]: entry for entry in client.get("/sdapi/v1/sd-models").json()}
    entry = listed["of diffusers v1.5"]
    assert entry["title"].startswith("of diffusers v1.5") and entry["config"] is None
    folder, single = drawn(client, entry["title"]), drawn(client, "tiny-a")
    assert folder[0] == single[0]
    assert "Model: of diffusers v1.5" in folder[1] and "Model: tiny-a" in single[1]
