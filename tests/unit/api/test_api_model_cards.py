"""Model cards over /api/v1: the list, one file, its picture, and what is refused."""

import hashlib
import io
import json
import time
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from starlette.testclient import TestClient

from app.models import EMBEDDED
from tests.support.model_files import write_shapes
from tests.unit.api.conftest import World
from tests.unit.jobs.conftest import wait_for

CARDS = "/api/v1/models/cards"
PREVIEWS = "/api/v1/models/previews"
LORA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.fixture
def lora(world: World) -> Path:
    """A LoRA with a preview, in a folder with a name that addresses have to quote."""
    shapes = {f"{LORA}.lora_down.weight": (4, 768), f"{LORA}.lora_up.weight": (320, 4)}
    path = write_shapes(world.settings.models / "Lora" / "my styles #1" / "ink.safetensors", shapes, {"ss_output_name": "inky"})
    Image.new("RGB", (800, 400), "red").save(path.with_suffix(".preview.png"))
    world.catalog.refresh()
    world.library.read()
    return path


def test_the_list_and_one_file(client: TestClient, lora: Path) -> None:
    answer = client.get(CARDS, params={"kind": ["lora", "embedding"], "sort": "date", "descending": True}).json()
    assert (answer["total"], answer["unread"]) == (1, 0) and answer["facets"]["folders"] == [{"value": "my styles #1", "files": 1}]
    assert {each["value"] for each in answer["facets"]["kinds"]} == {"checkpoint", "lora"}
    (card,) = answer["cards"]
    assert (card["name"], card["filename"], card["alias"], card["family"]) == ("ink", "my styles #1/ink.safetensors", "inky", "SD1")
    assert (card["form"], card["precision"], card["problem"], card["read"]) == ("LoRA", "fp16", None, True)
    small = client.get(card["preview"])
    assert small.headers["content-type"] == "image/webp" and Image.open(io.BytesIO(small.content)).size == (320, 160)
    page = client.get(f"{CARDS}/lora/my%20styles%20%231/ink.safetensors").json()
    assert page["filename"] == card["filename"] and page["notes"] is None and str(lora.parent) not in json.dumps(page)
    embedded = client.get(CARDS, params={"kind": "checkpoint"}).json()["cards"]
    assert [each["embedded"] for each in embedded] == [True] and embedded[0]["family"] == "SD1"


def test_what_a_user_says(client: TestClient, lora: Path) -> None:
    address = f"{CARDS}/lora/my styles #1/ink.safetensors".replace("#", "%23")
    changed = client.put(address, json={"favourite": True, "notes": "mine", "preferred_weight": 0.8, "preferred_vae": "x.safetensors"})
    assert changed.status_code == 200 and changed.json()["favourite"] and changed.json()["notes"] == "mine"
    again = client.put(address, json={"notes": ""}).json()
    assert (again["favourite"], again["notes"], again["preferred_weight"], again["preferred_vae"]) == (True, None, 0.8, "x.safetensors")
    assert json.loads(lora.with_suffix(".json").read_text()) == {"notes": "", "preferred weight": 0.8}
    assert client.put(address, json={"preferred_vae": None, "favourite": False}).json()["preferred_vae"] is None
    assert client.get(CARDS, params={"favourites": True}).json()["total"] == 0


def test_null_clears(client: TestClient, lora: Path) -> None:
    address = f"{CARDS}/lora/my%20styles%20%231/ink.safetensors"
    said = {"favourite": True, "preferred_vae": "x.safetensors", "preferred_weight": 1}
    said |= dict.fromkeys(("notes", "description", "sd_version", "activation_text", "negative_text"), "x")
    before = client.get(address).json()
    assert client.put(address, json=said).json() | said == client.get(address).json()
    for name in said:
        cleared = client.put(address, json={name: None})
        assert cleared.status_code == 200 and cleared.json()[name] == before[name], name
    after = client.get(address).json()
    assert {name: after[name] for name in said} == {name: before[name] for name in said}


def test_hashes_on_request(client: TestClient, world: World, lora: Path) -> None:
    address = "/api/v1/models/hashes/lora/my%20styles%20%231/ink.safetensors"
    assert client.get(address).json()["state"] == "unknown"
    assert client.post(address).status_code == 202
    wait_for(lambda: client.get(address).json()["state"] == "done")
    told = client.get(address).json()
    assert told["sha256"] == hashlib.sha256(lora.read_bytes()).hexdigest() and len(told["autov3"]) == 12 and told["blake3"]
    page = client.get(address.replace("hashes", "cards")).json()
    assert page["hashes"] == told and page["training"] == [] and page["metadata"] == [{"name": "ss_output_name", "value": "inky"}]
    assert client.post("/api/v1/models/hashes/lora/none.safetensors").status_code == 404


def test_a_job_notes_what_it_uses(client: TestClient, world: World, lora: Path) -> None:
    card = client.get(CARDS, params={"kind": "checkpoint"}).json()["cards"][0]
    assert card["last_used"] is None
    begun = time.time()
    job = client.post("/api/v1/jobs", json={"prompt": "a house <lora:inky:1>", "width": 64, "height": 64, "steps": 1}).json()["id"]
    wait_for(lambda: client.get(f"/api/v1/jobs/{job}").json()["state"] == "done")
    world.library.note_uses()
    used = client.get(CARDS, params={"sort": "used", "descending": True, "limit": 2}).json()["cards"]
    assert {each["kind"] for each in used} == {"checkpoint", "lora"} and all(each["last_used"] >= begun for each in used)


def test_readers_of_events_are_told(world: World, lora: Path) -> None:
    with world.jobs.subscribe("anybody") as events:
        world.library.start()
        (lora.parent / "second.safetensors").write_bytes(lora.read_bytes())
        world.catalog.refresh()
        seen: list[object] = []
        wait_for(lambda: seen.extend(each.data for each in events.take(0.1) if each.kind == "models") or {"files": 3, "unread": 0} in seen)


def test_bad_questions_get_a_sentence(client: TestClient, lora: Path) -> None:
    for method, path in (("GET", CARDS), ("PUT", CARDS), ("GET", PREVIEWS)):
        for filename in ("nothing.safetensors", "..%2f..%2fconfig.json", "%2e%2e/%2e%2e/config.json", "%2Fetc%2Fpasswd", "a%00b"):
            answer = client.request(method, f"{path}/lora/{filename}", json={} if method == "PUT" else None)
            assert answer.status_code == 404 and answer.json()["detail"], (method, filename)
        answer = client.request(method, f"{path}/program/x", json={} if method == "PUT" else None)
        assert answer.status_code == 422 and "checkpoint" in answer.json()["detail"]
    for bad in ({"sort": "colour"}, {"limit": 10_000}, {"offset": -1}, {"kind": "program"}, {"colour": "red"}, {"query": "x" * 2000}):
        assert client.get(CARDS, params=bad).status_code == 422, bad
    address = f"{CARDS}/lora/my%20styles%20%231/ink.safetensors"
    for worse in (
        {"favourite": 3},
        {"colour": 1},
        {"preferred_weight": 1e9},
        {"notes": "x" * 200_000},
        {"notes": 1},
        [],
        {"favourite": 1},
        {"favourite": "true"},
        {"preferred_weight": True},
        {"preferred_weight": "0.5"},
        {"preferred_vae": 1},
    ):
        assert client.put(address, json=worse).status_code == 422, worse
    assert client.put(address, content=b'{"preferred_weight": NaN}', headers={"Content-Type": "application/json"}).status_code == 422
    assert not lora.with_suffix(".json").exists()


@pytest.mark.parametrize("what", ["text", "huge", "eps", "cut"])
def test_a_preview_that_is_no_picture(client: TestClient, world: World, lora: Path, what: str) -> None:
    preview = lora.with_suffix(".preview.png")
    whole = preview.read_bytes()
    if what == "huge":
        chunk = b"IHDR" + (20_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00"
        stream = io.BytesIO()
        PngImagePlugin.putchunk(stream, chunk[:4], chunk[4:])
        preview.write_bytes(whole[:8] + stream.getvalue() + whole[33:])
    else:
        preview.write_bytes({"text": b"no picture", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cut": whole[:60]}[what])
    world.catalog.refresh()
    card = client.get(CARDS, params={"kind": "lora"}).json()["cards"][0]
    answer = client.get(card["preview"])
    assert answer.status_code == 422 and answer.json()["detail"].count(".") == 1
    preview.unlink()
    assert client.get(card["preview"]).status_code == 404


def test_a_public_server_without_password_changes_nothing(build) -> None:
    open_to_all = build(listen=True)
    card = open_to_all.client().get(CARDS).json()["cards"][0]
    answer = open_to_all.client().put(f"{CARDS}/checkpoint/{card['filename']}", json={"favourite": True})
    assert answer.status_code == 403 and "without a password" in answer.text
    answer = open_to_all.client().put(f"{PREVIEWS}/checkpoint/{card['filename']}", content=b"x")
    assert answer.status_code == 403 and "without a password" in answer.text


def test_a_picture_becomes_the_preview(client: TestClient, lora: Path) -> None:
    address = f"{PREVIEWS}/lora/my%20styles%20%231/ink.safetensors"
    before = client.get(CARDS, params={"kind": "lora"}).json()["cards"][0]["preview"]
    buffer = io.BytesIO()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 4, Seed: 1")
    Image.new("RGB", (1536, 768), "#102030").save(buffer, "PNG", pnginfo=texts)
    answer = client.put(address, content=buffer.getvalue(), headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 200 and answer.json()["preview"] != before
    with Image.open(lora.with_suffix(".preview.png")) as kept:
        assert (kept.size, kept.getpixel((0, 0)), kept.text) == ((768, 384), (16, 32, 48), {"parameters": "a cat\nSteps: 4, Seed: 1"})
    with Image.open(io.BytesIO(client.get(answer.json()["preview"]).content)) as small:
        assert small.size == (320, 160)
    whole = lora.with_suffix(".preview.png").read_bytes()
    for bad in (b"no picture", b"", buffer.getvalue()[:100]):
        refused = client.put(address, content=bad, headers={"Content-Type": "application/octet-stream"})
        assert refused.status_code == 422 and refused.json()["detail"], bad
    assert lora.with_suffix(".preview.png").read_bytes() == whole, "what was there stays"
    assert client.put(f"{PREVIEWS}/lora/none.safetensors", content=buffer.getvalue()).status_code == 404
    assert [path.name for path in lora.parent.iterdir() if path.name.startswith(".")] == []


_WAYS = (("GET", "cards"), ("PUT", "cards"), ("GET", "hashes"), ("POST", "hashes"), ("GET", "previews"), ("PUT", "previews"))


@pytest.mark.parametrize("end", ["%0a", "%0A%0A", "%0d", "%0d%0a", "%20", "%00", "/", "."])
def test_a_name_is_taken_as_it_is(client: TestClient, lora: Path, end: str) -> None:
    before = sorted(path.name for path in lora.parent.iterdir())
    for method, what in _WAYS:
        sent = {"json": {"favourite": True, "notes": "x"}} if what == "cards" and method == "PUT" else {}
        if what == "previews" and method == "PUT":
            sent = {"content": lora.with_suffix(".preview.png").read_bytes(), "headers": {"Content-Type": "application/octet-stream"}}
        answer = client.request(method, f"/api/v1/models/{what}/lora/my%20styles%20%231/ink.safetensors{end}", **sent)
        assert answer.status_code == 404 and answer.json()["detail"], (method, what)
    assert sorted(path.name for path in lora.parent.iterdir()) == before
    assert client.get(CARDS, params={"favourites": True}).json()["total"] == 0


def test_a_folder_in_the_way_of_a_preview_is_told(client: TestClient, lora: Path) -> None:
    lora.with_suffix(".preview.png").unlink()
    lora.with_suffix(".preview.png").mkdir()
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    headers = {"Content-Type": "application/octet-stream"}
    refused = client.put(f"{PREVIEWS}/lora/my%20styles%20%231/ink.safetensors", content=buffer.getvalue(), headers=headers)
    assert refused.status_code == 409 and "A folder with the name ink.preview.png" in refused.json()["detail"]
    assert sorted(path.name for path in lora.parent.iterdir()) == ["ink.preview.png", "ink.safetensors"]


def test_the_preferred_vae_is_used_unless_one_is_chosen(world: World, client: TestClient) -> None:
    write_shapes(world.settings.models / "VAE" / "nice.safetensors", {"decoder.conv_in.weight": (8, 4, 3, 3)})
    world.catalog.refresh()
    address = f"{CARDS}/checkpoint/{EMBEDDED}.safetensors"

    def used(**settings: object) -> str:
        job = client.post("/api/v1/jobs", json={"prompt": "a cat", "steps": 1, "width": 64, "height": 64, **settings}).json()["id"]
        return client.get(f"/api/v1/jobs/{job}").json()["params"]["vae"]

    assert used() == "Automatic"
    assert client.put(address, json={"preferred_vae": "nice.safetensors"}).status_code == 200
    assert used() == "nice.safetensors"
    assert used(vae="None") == "None", "what a job asks for goes before"
    assert used(vae="None", vae_wins=False) == "nice.safetensors", "as A1111's option says"
    (world.settings.models / "VAE" / "nice.safetensors").unlink()
    world.catalog.refresh()
    assert used() == "Automatic", "one that is gone is passed over"
