"""Model jobs over /api/v1: what is taken, shown, cancelled and refused. (The work itself: tests/unit/model_jobs.)"""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.models import EMBEDDED
from tests.support.model_files import write_shapes
from tests.support.paths import ROOT
from tests.unit.jobs.conftest import wait_for

PATH = "/api/v1/models/actions"


@pytest.fixture
def lora(world) -> Path:
    folder = world.settings.models / "Lora"
    path = write_shapes(folder / "some.safetensors", {"lora_unet_x.lora_up.weight": (4, 4), "lora_unet_x.lora_down.weight": (4, 4)})
    path.with_suffix(".json").write_text("{}")
    return path


def done(client: TestClient, job: str) -> dict:
    wait_for(lambda: client.get(f"{PATH}/{job}").json()["state"] not in ("queued", "running"))
    return client.get(f"{PATH}/{job}").json()


def asked(client: TestClient, **action: str) -> dict:
    return done(client, client.post(PATH, json=action).json()["id"])


def test_verify_rename_trash_and_back(world, client: TestClient, lora: Path) -> None:
    world.model_jobs.start()
    file = {"kind": "lora", "filename": "some.safetensors"}
    answer = client.post(PATH, json={"action": "verify", **file})
    assert answer.status_code == 202 and answer.json()["title"] == "Verify some.safetensors"
    verified = done(client, answer.json()["id"])
    assert verified["state"] == "done" and len(verified["facts"]["SHA256"]) == 64
    assert verified["summary"].startswith("some.safetensors is whole")
    assert asked(client, action="rename", **file, name="other")["file"] == "other.safetensors"
    assert asked(client, action="trash", kind="lora", filename="other.safetensors")["state"] == "done"
    (thrown,) = client.get("/api/v1/models/trash").json()
    assert (thrown["kind"], thrown["place"], thrown["beside"]) == ("lora", "other.safetensors", ["other.json"])
    assert asked(client, action="restore", key=thrown["key"])["state"] == "done"
    assert lora.with_name("other.safetensors").is_file() and client.get("/api/v1/models/trash").json() == []
    listed = client.get(PATH).json()
    assert listed["allowed"] and [job["action"]["action"] for job in listed["jobs"]] == ["restore", "trash", "rename", "verify"]
    for job in listed["jobs"]:
        assert client.delete(f"{PATH}/{job['id']}").status_code == 204
    assert client.get(PATH).json()["jobs"] == []


def test_one_that_waits_is_cancelled(client: TestClient, lora: Path) -> None:
    """Nothing runs here: the list is not started."""
    job = client.post(PATH, json={"action": "verify", "kind": "lora", "filename": "some.safetensors"}).json()
    assert job["state"] == "queued" and client.post(f"{PATH}/{job['id']}/cancel").json()["state"] == "cancelled"
    for method, path in (("POST", "none/cancel"), ("DELETE", "none"), ("GET", "none")):
        assert client.request(method, f"{PATH}/{path}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "action: is missing"),
        ({"action": "burn"}, 422, "action: has to be one of 'verify', 'rename', 'move'"),
        ({"action": 5}, 422, "action: has to be one of"),
        ({"action": "verify", "kind": "lora", "filename": "some.safetensors", "deep": True}, 422, "deep: Extra inputs are not permitted"),
        ({"action": "verify", "kind": "program", "filename": "x"}, 422, "kind"),
        ({"action": "verify", "kind": "lora", "filename": "none"}, 404, "There is no LoRA 'none'"),
        ({"action": "trash", "kind": "lora", "filename": "../VAE/x.safetensors"}, 404, "There is no LoRA"),
        ({"action": "rename", "kind": "lora", "filename": "some.safetensors", "name": "a/b"}, 422, "cannot be the name"),
        ({"action": "move", "kind": "lora", "filename": "some.safetensors", "folder": "../.."}, 422, "cannot be the name"),
        ({"action": "move", "kind": "lora", "filename": "some.safetensors", "folder": "/abs"}, 422, "'/abs' begins with a slash"),
        ({"action": "move", "kind": "lora", "filename": "some.safetensors", "folder": "a//b"}, 422, "'a//b' has two slashes"),
        ({"action": "rename", "kind": "lora", "filename": "some.safetensors", "name": "some"}, 409, "already"),
        ({"action": "trash", "kind": "checkpoint", "filename": f"{EMBEDDED}.safetensors"}, 409, "comes with Darkroom"),
        ({"action": "restore", "key": "../../x"}, 404, "not in the trash"),
        ({"action": "merge", "primary_model_name": EMBEDDED}, 422, "merge: Weighted sum needs a secondary model"),
    ],
)
def test_what_cannot_be_gets_one_sentence(client: TestClient, lora: Path, body: dict, status: int, said: str) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == status and said in answer.json()["detail"] and answer.json()["code"], answer.text
    assert "discriminator" not in answer.text and "Value error" not in answer.text
    assert lora.is_file() and client.get(PATH).json()["jobs"] == []


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("lora", "some", {"prompt": "a house <lora:some:0.5>"}),
        ("embedding", "mood", {"negative_prompt": "Mood, dark"}),
        ("vae", "colours", {"vae": "colours.safetensors"}),
        ("checkpoint", "mine", {"refiner_checkpoint": "mine", "refiner_switch_at": 0.5}),
    ],
)
def test_what_a_waiting_job_names_stays_until_it_has_ended(world, client: TestClient, kind: str, name: str, wanted: dict) -> None:
    folders = {"lora": "models/Lora", "embedding": "embeddings", "vae": "models/VAE", "checkpoint": "models/Stable-diffusion"}
    path = world.settings.data_dir / folders[kind] / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors").read_bytes())
    world.catalog.refresh()
    world.model_jobs.start()
    world.engine.free = False
    job = client.post("/api/v1/jobs", json={"prompt": "a", "width": 16, "height": 16, **wanted}).json()["id"]
    action = {"action": "trash", "kind": kind, "filename": path.name}
    answer = client.post(PATH, json=action)
    assert answer.status_code == 409 and "a job that waits or runs names it" in answer.json()["detail"], answer.text
    client.post(f"/api/v1/jobs/{job}/cancel")
    wait_for(lambda: world.jobs.get(job).is_over)
    assert asked(client, **action)["state"] == "done" and not path.exists()


def test_the_chosen_files_stay_chosen_and_favourites_go_along(world, client: TestClient) -> None:
    model, vae = world.settings.models / "Stable-diffusion" / "mine.safetensors", world.settings.models / "VAE" / "colours.safetensors"
    vae.parent.mkdir()
    for path in (model, vae):
        write_shapes(path, {"model.diffusion_model.x": (2, 2)})
    world.catalog.refresh()
    client.put("/api/v1/models/cards/checkpoint/mine.safetensors", json={"favourite": True})
    world.options.set_many({"sd_model_checkpoint": "mine.safetensors", "sd_vae": "colours.safetensors"})
    world.model_jobs.start()
    asked(client, action="move", kind="checkpoint", filename="mine.safetensors", folder="own")
    asked(client, action="rename", kind="vae", filename="colours.safetensors", name="paints")
    assert (world.options.get("sd_model_checkpoint"), world.options.get("sd_vae")) == ("own/mine.safetensors", "paints.safetensors")
    assert client.get("/api/v1/models/cards/checkpoint/own/mine.safetensors").json()["favourite"] is True


def test_a_public_server_without_password_changes_nothing(build) -> None:
    world = build(listen=True)
    client = world.client()
    for answer in (
        client.post(PATH, json={"action": "trash", "kind": "lora", "filename": "x"}),
        client.get("/api/v1/models/trash"),
        client.post(f"{PATH}/x/cancel"),
    ):
        assert answer.status_code == 422 and "--gradio-auth" in answer.json()["detail"]
    assert client.get(PATH).json() == {"allowed": False, "jobs": []}


def test_a_checkpoint_that_is_broken_is_listed_and_can_go(world, client: TestClient) -> None:
    folder = world.settings.models / "Stable-diffusion"
    write_shapes(folder / "cut.safetensors", {"model.diffusion_model.x": (2, 2)})
    world.catalog.refresh()
    world.model_jobs.start()
    assert asked(client, action="trash", kind="checkpoint", filename="cut.safetensors")["state"] == "done"
    assert not (folder / "cut.safetensors").exists()
