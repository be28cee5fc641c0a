"""Options, models and the small facts over /sdapi."""

import hashlib
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.models import EMBEDDED
from app.schema.errors import shown
from app.server import checkpoint_for, limit_models
from tests.support.paths import ROOT

from .conftest import SMALL

OPTIONS = "/sdapi/v1/options"
POCKET = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"


@pytest.fixture
def two_checkpoints(build, tmp_path: Path):
    """A world with the embedded checkpoint and one of the user's own."""
    folder = tmp_path / "own" / "deep"
    folder.mkdir(parents=True)
    shutil.copy(POCKET, folder / "mine.safetensors")
    return build(ckpt_dir=tmp_path / "own")


def test_posting_everything_back_changes_nothing(world, client: TestClient) -> None:
    """As open-webui does."""
    before = client.get(OPTIONS).json()
    assert client.post(OPTIONS, json=before).json() is None
    floats = {name: float(value) if type(value) is int else value for name, value in before.items()}
    assert client.post(OPTIONS, json=floats).status_code == 200
    assert client.get(OPTIONS).json() == before
    assert not (world.settings.data_dir / "config.json").exists() and world.engine.loads == []


def test_posting_everything_back_after_the_hash_became_known(world, client: TestClient) -> None:
    before = client.get(OPTIONS).json()
    world.catalog.hash(world.catalog.find(EMBEDDED))
    assert client.post(OPTIONS, json=before).status_code == 200
    after = client.get(OPTIONS).json()
    digest = hashlib.sha256(POCKET.read_bytes()).hexdigest()
    assert after["sd_model_checkpoint"] == f"{EMBEDDED}.safetensors [{digest[:10]}]" and after["sd_checkpoint_hash"] == digest
    assert client.post(OPTIONS, json=after).status_code == 200 and world.engine.loads == []


@pytest.mark.parametrize("name", ["mine", "mine.safetensors", "deep/mine.safetensors", "MINE"])
def test_choosing_a_checkpoint_loads_it(two_checkpoints, name: str) -> None:
    world, client = two_checkpoints, two_checkpoints.client()
    assert client.post(OPTIONS, json={"sd_model_checkpoint": name}).json() is None
    assert client.get(OPTIONS).json()["sd_model_checkpoint"] == "deep/mine.safetensors"
    assert client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200
    assert world.engine.jobs[-1].params.checkpoint == "deep/mine.safetensors"
    assert client.post("/sdapi/v1/reload-checkpoint").json() == {}


def test_an_unknown_checkpoint_sets_nothing(world, client: TestClient) -> None:
    response = client.post(OPTIONS, json={"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "nope"})
    assert response.status_code == 500 and response.json()["errors"] == "model 'nope' not found"
    assert world.options.get("CLIP_stop_at_last_layers") == 1


@pytest.mark.parametrize("name", ["nope", "../../etc/passwd", "x" * 5000])
def test_an_unknown_text_encoder_sets_nothing(world, client: TestClient, name: str) -> None:
    response = client.post(OPTIONS, json={"CLIP_stop_at_last_layers": 2, "sd_text_encoder": name})
    assert response.status_code == 500 and response.json()["errors"] == f"text encoder {shown(name)!r} not found"
    assert world.options.get("CLIP_stop_at_last_layers") == 1 and world.options.get("sd_text_encoder") == ""


def test_a_text_encoder_is_stored_by_its_file(two_checkpoints) -> None:
    world, client = two_checkpoints, two_checkpoints.client()
    for name, stored in (("mine", "deep/mine.safetensors"), ("None", ""), ("MINE", "deep/mine.safetensors"), ("", "")):
        assert client.post(OPTIONS, json={"sd_text_encoder": name}).status_code == 200
        assert world.options.get("sd_text_encoder") == stored
    world.options.set_many({"sd_text_encoder": "gone.safetensors"})
    assert client.post(OPTIONS, json={"sd_text_encoder": "gone.safetensors"}).status_code == 200, "what is set already stays"


def test_what_is_shown_as_chosen_is_what_jobs_get(two_checkpoints) -> None:
    world, client = two_checkpoints, two_checkpoints.client()
    for preferred in ("", EMBEDDED, "deep/mine.safetensors"):
        world.options.set_many({"sd_model_checkpoint": preferred})
        shown = client.get(OPTIONS).json()["sd_model_checkpoint"]
        assert client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200
        assert world.engine.jobs[-1].params.checkpoint == shown == checkpoint_for(world.catalog, preferred).filename
        chosen = [model["filename"] for model in client.get("/api/v1/models").json()["checkpoints"] if model["chosen"]]
        assert chosen == [shown]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"no_such_option": 1}, 404, "no_such_option"),
        ({"CLIP_stop_at_last_layers": 1.5}, 422, "whole number"),
        ({"CLIP_stop_at_last_layers": 99}, 422, "CLIP_stop_at_last_layers"),
        ({"samples_save": "perhaps"}, 422, "samples_save"),
        ({"sd_vae_decode_method": "TAESD"}, 422, "VAE"),
        ({"outdir_samples": "/etc"}, 422, "outdir_samples"),
    ],
    ids=str,
)
def test_a_refused_option_tells_why_and_sets_nothing(world, client: TestClient, changes: dict, status: int, reason: str) -> None:
    response = client.post(OPTIONS, json={"send_seed": False, **changes})
    assert response.status_code == status and reason in response.json()["errors"]
    assert world.options.get("send_seed") is True


def test_texts_and_nulls_are_taken_as_a1111_takes_them(world, client: TestClient) -> None:
    assert client.post(OPTIONS, json={"CLIP_stop_at_last_layers": "2", "samples_save": None}).json() is None
    assert (world.options.get("CLIP_stop_at_last_layers"), world.options.get("samples_save")) == (2, True)


def test_actions_reach_the_engine_and_the_folders(world, client: TestClient) -> None:
    client.post("/sdapi/v1/reload-checkpoint")
    assert world.engine.loads == [f"{EMBEDDED}.safetensors"]
    client.post("/sdapi/v1/unload-checkpoint")
    assert world.engine.loads == []
    folder = world.settings.models / "Stable-diffusion"
    (folder / "new.safetensors").symlink_to(POCKET)
    assert len(client.get("/sdapi/v1/sd-models").json()) == 1
    assert client.post("/sdapi/v1/refresh-checkpoints").json() is None
    assert [model["model_name"] for model in client.get("/sdapi/v1/sd-models").json()] == ["new", EMBEDDED]


def test_limits_of_checkpoints_reach_the_engine(world, client: TestClient) -> None:
    """One, A1111's default, is as many as memory has room for; from two on it is meant."""
    world.options.on_change(partial(limit_models, world.engine, world.options))
    for number, one_on_card, said in ((3, True, (3, True)), (3, False, (3, False)), (1, True, (0, False))):
        changes = {"sd_checkpoints_limit": number, "sd_checkpoints_keep_in_cpu": one_on_card}
        assert client.post("/sdapi/v1/options", json=changes).status_code == 200
        assert world.engine.limits[-1] == said
    assert client.post("/sdapi/v1/options", json={"sd_checkpoints_limit": 0}).status_code == 422


def test_memory_is_this_machines(client: TestClient) -> None:
    ram = client.get("/sdapi/v1/memory").json()["ram"]
    assert 0 < ram["used"] < ram["total"] and 0 < ram["free"] < ram["total"]


def test_flags_are_those_of_the_start(world, client: TestClient) -> None:
    flags = client.get("/sdapi/v1/cmd-flags").json()
    assert flags["data_dir"] == str(world.settings.data_dir) and flags["api"] is True and flags["listen"] is False


def test_every_sdapi_answer_tells_its_time(client: TestClient) -> None:
    for response in (client.get("/sdapi/v1/samplers"), client.get("/sdapi/v1/nope"), client.post("/sdapi/v1/txt2img", json=SMALL)):
        assert float(response.headers["x-process-time"]) >= 0
    assert "x-process-time" not in client.get("/internal/ping").headers


def test_the_page_at_the_root_does_not_answer_for_the_api(world) -> None:
    from .test_api_security import add_page

    world.extra = add_page
    client = world.client()
    for method, path, status, body in (
        ("GET", "/sdapi/v1/nope", 404, {"detail": "Not Found"}),
        ("POST", "/internal/nope", 404, {"detail": "Not Found"}),
        ("GET", "/api/v2/jobs", 404, {"detail": "Not Found", "code": "not_found"}),
        ("GET", "/sdapi/v1/txt2img", 405, {"detail": "Method Not Allowed"}),
        ("DELETE", "/api/v1/jobs", 405, {"detail": "Method Not Allowed", "code": "wrong_method"}),
    ):
        response = client.request(method, path)
        assert (response.status_code, response.json()) == (status, body), path
    assert client.get("/other").text == "the page"


def test_the_schema_names_all_routes(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    wanted = (
        "txt2img img2img png-info progress interrupt skip options cmd-flags sd-models sd-vae samplers schedulers upscalers loras embeddings"
    )
    wanted += " latent-upscale-modes prompt-styles scripts script-info refresh-checkpoints unload-checkpoint reload-checkpoint memory"
    wanted += " hypernetworks face-restorers realesrgan-models extensions extra-single-image extra-batch-images interrogate refresh-vae"
    assert {f"/sdapi/v1/{name}" for name in wanted.split()} <= paths.keys()
    assert client.get("/docs").status_code == 200


def test_the_docs_name_every_route(client: TestClient) -> None:
    docs = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    paths = client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if not re.search(rf"`{re.escape(path)}[`?]", docs)] == []
