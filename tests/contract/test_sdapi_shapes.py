"""The shapes of /sdapi answers: keys and types as in answers that A1111 itself gave to the same requests."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.models import EMBEDDED
from app.prompt import Tokenizer
from tests.unit.api.conftest import SMALL, World, example, picture


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server's parts for all tests here; a test that changes something puts it back."""
    world = World(tmp_path_factory.mktemp("world"), Tokenizer())
    yield world
    world.close()


@pytest.fixture(scope="module")
def client(world: World) -> TestClient:
    return world.client()


def shape(value: Any) -> Any:
    """Keys and types; whole numbers and floats are one type, as in JSON; a list is the shape of its first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def without_pictures(request: Any) -> Any:
    """The example's request with a real picture where the recorded one was cut."""
    if isinstance(request, str) and request.startswith("<base64"):
        return ("data:image/png;base64," if "begins data:" in request else "") + picture()
    if isinstance(request, list):
        return [without_pictures(item) for item in request]
    if isinstance(request, dict):
        return {key: without_pictures(value) for key, value in request.items()}
    return request


def answer(client: TestClient, name: str) -> tuple[dict[str, Any], Any]:
    """(A1111's example, our answer to the same request), the status being the same."""
    recorded = example(name)
    request = without_pictures(recorded["request"])
    response = client.request(recorded["method"], recorded["path"], json=request if recorded["method"] == "POST" else None)
    assert response.status_code == recorded["status"], response.text[:500]
    return recorded, response.json()


GENERATED = [
    "txt2img",
    "txt2img-batch",
    "txt2img-no-send",
    "txt2img-extra-field",
    "txt2img-width-text",
    "txt2img-seed-float",
    "txt2img-alwayson-list",
    "img2img",
]


@pytest.mark.parametrize("name", GENERATED)
def test_generation_answers(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    wanted = recorded["response"]
    assert list(got) == list(wanted)
    assert got["parameters"] == wanted["parameters"] and list(got["parameters"]) == list(wanted["parameters"])
    assert len(got["images"]) == len(wanted["images"])
    info, known = json.loads(got["info"]), json.loads(wanted["info"])
    assert list(info) == list(known)
    del info["extra_generation_params"]["Test field"]  # the small engine's own
    assert shape(info) == shape(known)
    drawn = {"subseed", "all_subseeds", "sd_model_name", "sd_model_hash", "infotexts", "job_timestamp"}
    assert {key: value for key, value in info.items() if key not in drawn} == {k: v for k, v in known.items() if k not in drawn}
    assert len(info["infotexts"]) == len(known["infotexts"]) and len(info["all_subseeds"]) == len(known["all_subseeds"])


def test_an_infotext_fills_the_echo_as_a1111_does(client: TestClient) -> None:
    recorded = example("txt2img-infotext")
    request = json.loads(json.dumps(recorded["request"]).replace("Sampler: Heun", "Sampler: Euler"))
    wanted = json.loads(json.dumps(recorded["response"]["parameters"]).replace("Heun", "Euler"))
    response = client.post(recorded["path"], json=request)
    assert response.status_code == 200, response.text
    assert response.json()["parameters"] == wanted
    assert json.loads(response.json()["info"])["clip_skip"] == 2


@pytest.mark.parametrize("name", ["progress-idle", "internal-ping", "interrupt", "skip", "memory", "internal-progress-unknown"])
def test_small_answers(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    assert shape(got) == shape(recorded["response"])


@pytest.mark.parametrize("name", ["samplers", "schedulers", "upscalers"])
def test_lists_are_parts_of_a1111s(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    known = {entry["name"]: entry for entry in recorded["response"]}
    assert len(got) >= 3
    if name == "samplers":
        known["Euler a"]["aliases"] = sorted({*known["Euler a"]["aliases"], "k_euler_a"})
        got = [entry | {"aliases": sorted(entry["aliases"])} for entry in got]
        known = {key: entry | {"aliases": sorted(entry["aliases"])} for key, entry in known.items()}
    assert got == [known[entry["name"]] for entry in got]


def test_file_lists(world: World, client: TestClient) -> None:
    folders = {"VAE": "some.vae.pt", "Lora": "tone.safetensors", "hypernetworks": "hyper.pt"}
    assert [client.get(f"/sdapi/v1/{name}").json() for name in ("sd-vae", "loras", "hypernetworks")] == [[], [], []]
    for folder, name in folders.items():
        (world.settings.models / folder).mkdir(parents=True, exist_ok=True)
        (world.settings.models / folder / name).write_bytes(b"x")
    (world.settings.data_dir / "embeddings").mkdir(exist_ok=True)
    (world.settings.data_dir / "embeddings" / "word.pt").write_bytes(b"x")
    assert client.post("/sdapi/v1/refresh-vae").json() is None
    for name in ("sd-vae", "hypernetworks", "loras"):
        recorded, got = answer(client, name)
        assert len(got) == 1 and shape(got[0]) == shape(recorded["response"][0])
    assert list(answer(client, "embeddings")[1]) == ["loaded", "skipped"]
    assert list(answer(client, "embeddings")[1]["skipped"]) == ["word"]


def test_checkpoints_are_listed_as_a1111_lists_them(world: World, client: TestClient) -> None:
    file = world.catalog.find(EMBEDDED)
    before = client.get("/sdapi/v1/sd-models").json()[0]
    assert (before["hash"], before["sha256"], before["title"]) == (None, None, f"{EMBEDDED}.safetensors")
    digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert world.catalog.hash(file) == digest
    recorded, got = answer(client, "sd-models")
    assert shape(got[0]) == shape(recorded["response"][0])
    assert got[0]["title"] == f"{EMBEDDED}.safetensors [{digest[:10]}]" and got[0]["hash"] == digest[:10]


@pytest.mark.parametrize("name", ["prompt-styles", "face-restorers", "realesrgan-models", "extensions"])
def test_lists_that_may_be_empty(client: TestClient, name: str) -> None:
    assert client.get(f"/sdapi/v1/{name}").json() == []


def test_latent_upscale_modes_are_a1111s(client: TestClient) -> None:
    recorded, got = answer(client, "latent-upscale-modes")
    assert got == recorded["response"]


def test_styles(world: World, client: TestClient) -> None:
    styles = world.settings.data_dir / "styles.csv"
    styles.write_text("name,prompt,negative_prompt\nOil,oil painting,photo\n", encoding="utf-8")
    assert client.get("/sdapi/v1/prompt-styles").json() == [{"name": "Oil", "prompt": "oil painting", "negative_prompt": "photo"}]
    info = json.loads(client.post("/sdapi/v1/txt2img", json={**SMALL, "styles": ["Oil", "no such style"]}).json()["info"])
    assert (info["prompt"], info["negative_prompt"], info["styles"]) == ("a red house, oil painting", "photo", ["Oil", "no such style"])
    styles.unlink()


@pytest.mark.parametrize("name", ["scripts", "script-info"])
def test_scripts(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    if name == "scripts":
        assert got.keys() == recorded["response"].keys()
        assert all(set(got[kind]) <= set(recorded["response"][kind]) for kind in got)
    else:
        assert got and all(entry.keys() == recorded["response"][0].keys() for entry in got)


@pytest.mark.parametrize("name", ["refresh-checkpoints", "refresh-loras", "unload-checkpoint", "reload-checkpoint"])
def test_actions(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    assert got == recorded["response"]


def test_options_have_all_of_a1111s_names_and_types(client: TestClient) -> None:
    recorded, got = answer(client, "options-get")
    wanted = recorded["response"]
    assert list(got) == list(wanted)
    nullable = {name for name in wanted if wanted[name] is None or got[name] is None}
    assert {name: shape(got[name]) for name in got if name not in nullable and not isinstance(got[name], list)} == {
        name: shape(wanted[name]) for name in wanted if name not in nullable and not isinstance(wanted[name], list)
    }


EXACT = [
    "txt2img-not-json",
    "txt2img-array",
    "txt2img-empty-body",
    "txt2img-prompt-list",
    "txt2img-seed-list",
    "txt2img-width-bad",
    "txt2img-get",
    "txt2img-alwayson-unknown",
    "txt2img-alwayson-selectable",
    "txt2img-script-unknown",
    "txt2img-refiner-unknown",
    "txt2img-hr-unknown-upscaler",
    "img2img-no-images",
    "img2img-bad-base64",
    "img2img-not-picture",
    "img2img-bad-mask",
    "img2img-strength-null",
    "options-post-list",
    "options-post-bad-model",
    "extra-single-range",
    "extra-single-bad-upscaler",
    "extra-single-no-image",
    "extra-batch-missing",
    "extra-batch-empty",
    "png-info-missing",
    "png-info-bad",
    "png-info-empty",
    "png-info-plain",
    "interrogate-bad-model",
    "interrogate-no-image",
    "unknown-path",
]


@pytest.mark.parametrize("name", EXACT)
def test_answers_that_are_a1111s_to_the_letter(client: TestClient, name: str) -> None:
    recorded = example(name)
    if name == "txt2img-not-json":
        response = client.post(recorded["path"], content=recorded["request"], headers={"content-type": "application/json"})
        assert (response.status_code, response.json()) == (recorded["status"], recorded["response"])
    elif name == "txt2img-empty-body":
        response = client.post(recorded["path"], content=b"")
        assert (response.status_code, response.json()) == (recorded["status"], recorded["response"])
    else:
        assert answer(client, name)[1] == recorded["response"]


@pytest.mark.parametrize("name", ["extra-single-image", "extra-batch-images"])
def test_extras(client: TestClient, name: str) -> None:
    recorded, got = answer(client, name)
    assert shape(got) == shape(recorded["response"]) and got["html_info"] == recorded["response"]["html_info"]
