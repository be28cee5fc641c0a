"""Darkroom's own API: jobs with ids, pictures, uploads, tokens."""

import base64
import csv
import io
from collections.abc import Callable

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.models import EMBEDDED
from tests.unit.jobs.conftest import wait_for

from .conftest import World, picture

JOB = {"prompt": "a red house", "seed": 5, "steps": 3, "width": 16, "height": 24, "sampler": "Euler"}


def submit(client: TestClient, **fields: object) -> str:
    response = client.post("/api/v1/jobs", json={**JOB, **fields})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def test_a_job_from_its_id_to_its_picture(world: World, client: TestClient) -> None:
    job = submit(client, n_iter=2, task_id="mine")
    world.jobs.wait(job, 10)
    view = client.get(f"/api/v1/jobs/{job}").json()
    assert (view["state"], view["progress"], view["task_id"], view["error"]) == ("done", 1.0, "mine", None)
    assert view["params"]["prompt"] == "a red house" and view["params"]["checkpoint"] == f"{EMBEDDED}.safetensors"
    assert [p["seed"] for p in view["pictures"]] == [5, 6] and view["pictures"][0]["saved_as"].startswith("txt2img-images/")
    shown = view["pictures"][1]
    response = client.get(shown["url"])
    assert response.headers["content-type"] == "image/png" and "immutable" in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"] == 'inline; filename="00001-6.png"'
    assert Image.open(io.BytesIO(response.content)).info["parameters"] == shown["infotext"]
    text = client.get(f"{shown['url']}/infotext")
    assert text.text == shown["infotext"] and text.headers["content-type"].startswith("text/plain")


def test_jobs_are_listed_newest_first(world: World, client: TestClient) -> None:
    made = [submit(client, seed=seed) for seed in range(3)]
    for job in made:
        world.jobs.wait(job, 10)
    assert [job["id"] for job in client.get("/api/v1/jobs").json()] == made[::-1]
    assert [job["id"] for job in client.get("/api/v1/jobs?limit=1").json()] == made[-1:]
    assert client.get("/api/v1/jobs?state=queued&state=running").json() == []
    assert client.get("/api/v1/jobs?state=nope").status_code == 422


def test_names_options_and_styles_are_filled_in(world: World, client: TestClient) -> None:
    (world.settings.data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nOil,oil painting,photo\n", encoding="utf-8")
    world.options.set_many({"CLIP_stop_at_last_layers": 2})
    submit(client, sampler="k_euler_a", scheduler="karras", styles=["Oil"])
    wait_for(lambda: world.engine.jobs)
    params = world.engine.jobs[0].params
    assert (params.sampler, params.scheduler, params.clip_skip) == ("Euler a", "Karras", 2)
    assert (params.prompt, params.negative_prompt) == ("a red house, oil painting", "photo")


def test_unsaved_pictures_can_be_fetched(world: World, client: TestClient) -> None:
    job = submit(client, save=False)
    world.jobs.wait(job, 10)
    shown = client.get(f"/api/v1/jobs/{job}").json()["pictures"][0]
    assert shown["saved_as"] is None and list(world.settings.outputs.rglob("*.png")) == []
    response = client.get(shown["url"])
    assert response.status_code == 200 and response.headers["content-disposition"] == 'inline; filename="5.png"'


def test_pictures_that_no_batch_has_room_for_are_not_even_stored(world: World, client: TestClient) -> None:
    body = {"mode": "img2img", "images": [picture(color="#010203"), picture(color="#040506")]}
    answer = client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 422 and "2 pictures for batch size 1" in answer.text
    assert not list((world.settings.data_dir / "cache" / "inputs").glob("*"))


def test_img2img_from_an_upload_and_from_the_body(world: World, client: TestClient) -> None:
    data = base64.b64decode(picture(color="#040404"))
    raw = client.post("/api/v1/inputs", content=data, headers={"content-type": "image/png"})
    form = client.post("/api/v1/inputs", files={"file": ("x.png", data, "image/png")})
    assert raw.status_code == 201 and raw.json() == form.json()
    assert client.post("/api/v1/inputs", files={"other": ("x.png", data, "image/png")}).status_code == 422
    for fields in ({"init_images": [raw.json()["id"]]}, {"images": [f"data:image/png;base64,{picture(color='#040404')}"]}):
        job = submit(client, mode="img2img", denoising_strength=0.5, **fields)
        world.jobs.wait(job, 10)
        view = client.get(f"/api/v1/jobs/{job}").json()
        assert view["params"]["init_images"] == [raw.json()["id"]] and view["mode"] == "img2img"
        shown = client.get(view["pictures"][0]["url"])
        assert Image.open(io.BytesIO(shown.content)).getpixel((0, 0)) == (4, 4, 4)


@pytest.mark.parametrize(("how", "state", "pictures"), [("interrupt", "done", 1), ("skip", "done", 2), ("cancel", "cancelled", 0)])
def test_stopping_a_job(world: World, client: TestClient, how: str, state: str, pictures: int) -> None:
    world.engine.free = False
    job = submit(client, n_iter=2)
    world.engine.allow(1)
    wait_for(lambda: world.jobs.get(job).step == 1)
    assert client.post(f"/api/v1/jobs/{job}/{how}").status_code == 200
    world.engine.allow(3)
    view = world.jobs.wait(job, 10)
    assert (view.state, len(view.pictures)) == (state, pictures)
    assert client.post(f"/api/v1/jobs/{job}/{how}").json()["state"] == state
    assert client.post(f"/api/v1/jobs/{job}/explode").status_code == 422


def test_previews(world: World, client: TestClient) -> None:
    world.engine.free = False
    job = submit(client)
    assert client.get(f"/api/v1/jobs/{job}/preview").status_code == 204
    world.engine.allow(2)
    wait_for(lambda: world.jobs.preview(job) and world.jobs.preview(job).number == 2)
    response = client.get(f"/api/v1/jobs/{job}/preview")
    assert response.headers["content-type"] == "image/png" and response.headers["cache-control"] == "no-store"
    assert response.headers["x-preview-number"] == "2" and Image.open(io.BytesIO(response.content)).size == (8, 8)


def test_a_failed_job_says_why(world: World, client: TestClient) -> None:
    job = submit(client, prompt="explode")
    world.jobs.wait(job, 10)
    view = client.get(f"/api/v1/jobs/{job}").json()
    assert view["state"] == "failed" and view["error"] == {"code": "internal", "message": "It went wrong inside."}


@pytest.mark.parametrize(
    ("question", "count", "limit"),
    [
        ({"text": ""}, 0, 75),
        ({"text": "a red house"}, 3, 75),
        ({"text": "a red house # a comment\n<lora:thing:1>"}, 3, 75),
        ({"text": "(a red house:1.3)"}, 3, 75),
        ({"text": "cat " * 80}, 80, 150),
        ({"text": "[cat:a very large dog:5]"}, 4, 75),
    ],
)
def test_tokens(client: TestClient, question: dict, count: int, limit: int) -> None:
    assert client.post("/api/v1/tokens", json=question).json() == {"count": count, "limit": limit}


def test_tokens_of_too_long_a_text(client: TestClient) -> None:
    assert client.post("/api/v1/tokens", json={"text": "a" * 200_000}).status_code == 422


def test_status(world: World, client: TestClient) -> None:
    world.engine.free = False
    submit(client)
    wait_for(lambda: world.jobs.current())
    status = client.get("/api/v1/status").json()
    assert (status["version"], status["device"], status["running"], status["own_jobs"]) == ("0.0", "cpu", 1, 1)


def test_models(world: World, client: TestClient) -> None:
    models = client.get("/api/v1/models").json()
    assert [model["name"] for model in models["checkpoints"]] == [EMBEDDED]
    assert models["checkpoints"][0]["native_size_px"] == 128 and models["checkpoints"][0]["chosen"]
    assert models["hashing"]["files_left"] == 1
    folder = world.settings.models / "Stable-diffusion"
    (folder / "broken.safetensors").write_bytes(b"x")
    again = client.post("/api/v1/models/refresh").json()
    assert {model["name"]: model["problem"] is not None for model in again["checkpoints"]} == {"broken": True, EMBEDDED: False}


def test_a_copy_without_settings(world: World, client: TestClient) -> None:
    job = submit(client)
    world.jobs.wait(job, 10)
    (shown,) = client.get(f"/api/v1/jobs/{job}").json()["pictures"]
    whole = client.get(shown["url"])
    bare = client.get(f"{shown['url']}?strip=true")
    assert bare.headers["etag"] != whole.headers["etag"]
    uploaded = client.post("/api/v1/stripped", content=whole.content)
    assert uploaded.headers["content-type"] == "image/png" and uploaded.content == bare.content
    with Image.open(io.BytesIO(bare.content)) as one, Image.open(io.BytesIO(whole.content)) as other:
        assert other.info["parameters"] and one.info == {} and one.tobytes() == other.tobytes()
    for broken in (b"", b"no picture", whole.content[:200]):
        refused = client.post("/api/v1/stripped", content=broken)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_picture")


def test_save_keeps_copies_and_a_table(world: World, client: TestClient) -> None:
    job = submit(client, prompt='one, "two"\nthree', n_iter=2)
    world.jobs.wait(job, 10)
    first, second = client.get(f"/api/v1/jobs/{job}").json()["pictures"]
    folder = world.settings.data_dir / "log" / "images"
    assert client.post(f"/api/v1/pictures/{second['id']}/save").json() == {"saved_as": ["log/images/00000-6.png"]}
    assert (folder / "00000-6.png").read_bytes() == client.get(second["url"]).content
    world.options.set_many({"save_selected_only": False})
    names = client.post(f"/api/v1/pictures/{first['id']}/save").json()["saved_as"]
    assert names == ["log/images/00001-5.png", "log/images/00002-6.png"]
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["filename"], row["prompt"]) for row in rows] == [
        ("6", "00000-6.png", 'one, "two"\nthree'),
        ("5", "00001-5.png", 'one, "two"\nthree'),
        ("6", "00002-6.png", 'one, "two"\nthree'),
    ]
    assert (rows[0]["width"], rows[0]["height"], rows[0]["sampler"], rows[0]["steps"], rows[0]["cfgs"]) == ("16", "24", "Euler", "3", "7.0")
    world.options.set_many({"save_write_log_csv": False, "save_selected_only": True})
    client.post(f"/api/v1/pictures/{first['id']}/save")
    assert len((folder / "log.csv").read_bytes().splitlines()) == 1 + 3 * 2, "no new line; each prompt has two"
    assert client.post("/api/v1/pictures/nope/save").status_code == 404


def test_a_stored_picture_comes_back_and_tells_how_it_was_made(world: World, client: TestClient) -> None:
    job = submit(client)
    world.jobs.wait(job, 10)
    made = client.get(f"/api/v1/jobs/{job}").json()["pictures"][0]
    data = client.get(made["url"]).content
    stored = client.post("/api/v1/inputs", content=data).json()
    assert stored["infotext"] == made["infotext"] and '"prompt"' in stored["chunk"]
    back = client.get(f"/api/v1/inputs/{stored['id']}")
    assert back.headers["content-type"] == "image/png" and "immutable" in back.headers["cache-control"]
    one, other = (Image.open(io.BytesIO(file)) for file in (back.content, data))
    assert one.tobytes() == other.convert("RGB").tobytes() and "parameters" not in one.info
    plain = client.post("/api/v1/inputs", content=base64.b64decode(picture())).json()
    assert (plain["infotext"], plain["chunk"]) == ("", "")


def test_on_a_public_server_a_start_picture_is_shown_to_whoever_sent_it_or_draws_from_it(build: Callable[..., World]) -> None:
    world = build(listen=True)
    client = world.client()
    me, you = ({"cookie": f"darkroom_client={letter * 32}"} for letter in "ab")
    data = base64.b64decode(picture(color="#0a0b0c"))
    name, mask = (client.post(f"/api/v1/inputs?kind={kind}", content=data, headers=me).json()["id"] for kind in ("picture", "mask"))
    start = {"mode": "img2img", "init_images": [name], "mask": mask, **JOB}
    for one in (name, mask):
        assert client.get(f"/api/v1/inputs/{one}", headers=me).status_code == 200
        missing = client.get(f"/api/v1/inputs/{one}", headers=you)
        assert missing.status_code == 404 and "not stored here" in missing.text
    own = client.post("/api/v1/inputs", content=base64.b64decode(picture(color="#0d0e0f")), headers=you).json()["id"]
    for theft in ({}, {"init_images": [own]}, {"init_images": [own], "mask": "", "colour_source": name}, {"prompt": name, "mask": ""}):
        assert client.post("/api/v1/jobs", json={**start, **theft}, headers=you).status_code == 404
    assert client.post("/api/v1/jobs", json={**JOB, "prompt": name}, headers=you).status_code == 202
    assert client.get(f"/api/v1/inputs/{name}", headers=you).status_code == 404, "a prompt is no start picture"
    assert client.post("/api/v1/jobs", json=start, headers=me).status_code == 202
    body = {**JOB, "mode": "img2img", "images": [picture(color="#0a0b0c")]}  # who has the picture may see it
    assert client.post("/api/v1/jobs", json=body, headers=you).status_code == 202
    assert client.get(f"/api/v1/inputs/{name}", headers=you).status_code == 200


@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2fconfig.json", "x"])
def test_an_input_that_is_not_stored(client: TestClient, name: str) -> None:
    answer = client.get(f"/api/v1/inputs/{name}")
    assert answer.status_code == 404 and answer.json()
