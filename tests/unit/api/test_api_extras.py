"""Enlarging pictures as A1111 does, reading them, and progress."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.api.upscale import Upscale
from app.jobs import DiskFull, Outputs
from app.metadata import save_png_bytes
from app.schema.errors import InvalidParams
from tests.unit.jobs.conftest import wait_for

from .conftest import CASES, SMALL, World, picture
from .test_api_errors import with_files

EXTRAS = json.loads((CASES / "extras.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", EXTRAS, ids=lambda case: case["id"])
def test_pictures_are_a1111s(client: TestClient, case: dict) -> None:
    answer = client.post(case["endpoint"], json=with_files(case["request"])).json()
    assert answer["html_info"] == case["html_info"]
    for data, name in zip(answer.get("images") or [answer["image"]], case["images"], strict=True):
        got = Image.open(io.BytesIO(base64.b64decode(data)))
        wanted = Image.open(CASES / "images" / name.rpartition("/")[2])
        assert (got.mode, got.size) == (wanted.mode, wanted.size)
        # One step of rounding, the limit of all references; on this Pillow there is none.
        assert np.abs(np.asarray(got, int) - np.asarray(wanted, int)).max() <= 1


def test_texts_stay_with_the_picture(client: TestClient) -> None:
    given = base64.b64encode(save_png_bytes(Image.new("RGB", (8, 8)), "a cat\nSteps: 3, Sampler: Euler, Seed: 1")).decode()
    answer = client.post("/sdapi/v1/extra-single-image", json={"image": given, "upscaler_1": "Lanczos"}).json()
    texts = Image.open(io.BytesIO(base64.b64decode(answer["image"]))).info
    assert texts["parameters"] == "a cat\nSteps: 3, Sampler: Euler, Seed: 1"
    assert texts["postprocessing"] == "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos"
    said = client.post("/sdapi/v1/png-info", json={"image": answer["image"]}).json()
    assert said["info"] == texts["parameters"] and said["items"] == {"postprocessing": texts["postprocessing"]}


def test_a_text_outside_latin_survives(client: TestClient) -> None:
    given = base64.b64encode(save_png_bytes(Image.new("RGB", (8, 8)), "猫\nSteps: 3, Sampler: Euler, Seed: 1")).decode()
    answer = client.post("/sdapi/v1/extra-single-image", json={"image": given, "upscaler_1": "Nearest"}).json()
    assert client.post("/sdapi/v1/png-info", json={"image": answer["image"]}).json()["parameters"]["Prompt"] == "猫"


def test_pictures_in_another_format(world: World, client: TestClient) -> None:
    world.options.set_many({"samples_format": "jpg"})
    answer = client.post("/sdapi/v1/extra-single-image", json={"image": picture(), "upscaler_1": "Lanczos"}).json()
    assert Image.open(io.BytesIO(base64.b64decode(answer["image"]))).format == "JPEG"


def enlarged(client: TestClient, **fields: object) -> dict:
    response = client.post("/api/v1/extras", json={"picture": picture((16, 8)), "factor": 2, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def files(world: World) -> list[str]:
    root = world.settings.outputs
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_the_pages_extras_are_saved_with_what_was_done_and_are_in_the_gallery(world: World, client: TestClient) -> None:
    text = "a cat\nSteps: 3, Sampler: Euler, Seed: 1"
    given = base64.b64encode(save_png_bytes(Image.new("RGB", (16, 8)), text)).decode()
    told = enlarged(client, picture=given)
    assert (told["saved_as"], told["problem"], told["format"]) == ("extras-images/00000.png", None, "png")
    data = (world.settings.outputs / told["saved_as"]).read_bytes()
    assert data == base64.b64decode(told["picture"])
    found = Image.open(io.BytesIO(data))
    done = "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos"
    assert found.size == (32, 16) and found.info == {"parameters": text, "postprocessing": done, "extras": done}
    assert enlarged(client, width=24, height=24)["saved_as"] == "extras-images/00001.png", "numbers go on, without folders by date"
    shown = client.get("/api/v1/gallery").json()["pictures"]
    assert {(one["name"], one["width"]) for one in shown} == {("00000.png", 32), ("00001.png", 24)}
    client.post("/sdapi/v1/extra-single-image", json={"image": given, "upscaler_1": "Lanczos"})
    assert len(files(world)) == 2, "A1111's own request saves nothing"


def test_several_keep_their_names_and_nothing_is_replaced(world: World, client: TestClient) -> None:
    assert enlarged(client, name="a cat.jpg")["saved_as"] == "extras-images/a cat.png"
    assert enlarged(client, name="a cat.webp", folder="outputs/mine")["saved_as"] == "mine/a cat.png"
    assert enlarged(client, name="a cat.jpg")["saved_as"] == "extras-images/a cat-1.png"
    world.options.set_many({"use_original_name_batch": False, "outdir_extras_samples": "outputs/large", "samples_format": "jpg"})
    assert enlarged(client, name="a cat.jpg")["saved_as"] == "large/00000.jpg"
    world.options.set_many({"outdir_samples": "outputs/all", "enable_pnginfo": False, "samples_format": "png"})
    told = enlarged(client)
    assert told["saved_as"] == "all/00000.png" and Image.open(io.BytesIO(base64.b64decode(told["picture"]))).info == {}


@pytest.mark.parametrize("folder", ["../../elsewhere", "/etc", "C:\\windows", "outputs/../..", "..", "a\x00b", "x/" * 50])
@pytest.mark.parametrize("name", ["", "../../../up.png", "/etc/passwd", "..", "CON.png"])
def test_no_folder_and_no_name_leads_out_of_the_outputs(world: World, client: TestClient, folder: str, name: str) -> None:
    saved_as = enlarged(client, folder=folder, name=name)["saved_as"]
    root = world.settings.outputs.resolve()
    assert (root / saved_as).resolve().is_relative_to(root) and files(world) == [saved_as]


def test_a_full_disk_costs_nobody_the_picture(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DiskFull("The disk is full: the picture could not be saved.")

    monkeypatch.setattr(Outputs, "save_in", refuse)
    told = enlarged(client)
    assert told["saved_as"] is None and "The disk is full" in told["problem"] and told["picture"]


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"picture": "nonsense"}, 422, "no picture"),
        ({"picture": ""}, 422, "The file is empty"),
        ({"upscaler": "ESRGAN_4x"}, 404, "There is no upscaler 'ESRGAN_4x'"),
        ({"factor": 100_000}, 422, "megapixels"),
        ({"width": 64}, 422, "a width and a height"),
        ({"width": 0, "height": 8}, 422, "width"),
        ({"factor": None}, 422, "factor"),
        ({"colour": 1}, 422, "colour"),
    ],
    ids=str,
)
def test_a_wrong_wish_gets_a_reason_and_leaves_no_file(world: World, client: TestClient, fields: dict, status: int, reason: str) -> None:
    response = client.post("/api/v1/extras", json={"picture": picture((16, 8)), **fields})
    assert response.status_code == status and reason in response.text and files(world) == []


def as_base64(shown: Image.Image, kind: str, **more: object) -> str:
    buffer = io.BytesIO()
    shown.save(buffer, kind, **more)
    return base64.b64encode(buffer.getvalue()).decode()


UNUSUAL = {
    "one pixel": (picture((1, 1), "red"), (255, 0, 0)),
    "CMYK": (as_base64(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), (254, 0, 0)),
    "16 bits": (as_base64(Image.new("I;16", (8, 8), 0x80FF), "PNG"), (128, 128, 128)),
    "moving": (as_base64(Image.new("RGB", (8, 8), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8))]), (255, 0, 0)),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_pictures_of_unusual_kinds_are_enlarged(client: TestClient, name: str) -> None:
    given, colour = UNUSUAL[name]
    single = client.post("/sdapi/v1/extra-single-image", json={"image": given, "upscaler_1": "Nearest", "upscaling_resize": 8})
    assert single.status_code == 200, single.text
    for data in (single.json()["image"], enlarged(client, picture=given, upscaler="Nearest", factor=8)["picture"]):
        found = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        assert found.size in ((8, 8), (64, 64))
        assert np.abs(np.asarray(found, int) - colour).max() <= 1, "JPEG's own rounding"


def test_a_picture_that_is_cut_short_is_told(client: TestClient) -> None:
    data = base64.b64decode(as_base64(Image.effect_noise((200, 200), 50), "PNG"))[:4000]
    response = client.post("/api/v1/extras", json={"picture": base64.b64encode(data).decode()})
    assert response.status_code == 422 and "The PNG file is cut off" in response.json()["detail"]


def test_captions_are_not_there_yet(client: TestClient) -> None:
    response = client.post("/sdapi/v1/interrogate", json={"image": picture()})
    assert response.status_code == 422 and "not there yet" in response.json()["errors"]
    nothing = client.post("/sdapi/v1/interrogate", json={"image": None})
    assert (nothing.status_code, nothing.json()["detail"]) == (404, "Image not found")


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"gfpgan_visibility": 0.5}, 422, "gfpgan_visibility"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 100_000}, 422, "megapixels"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 0.01}, 422, "at least 8"),
        ({"upscaler_2": "ESRGAN_4x", "upscaler_1": "Lanczos"}, 500, "could not find upscaler named ESRGAN_4x"),
    ],
    ids=str,
)
def test_a_wrong_request_gets_a_reason(client: TestClient, fields: dict, status: int, reason: str) -> None:
    response = client.post("/sdapi/v1/extra-single-image", json={"image": picture(), **fields})
    assert response.status_code == status and reason in response.json()["errors"]


def test_a_picture_that_unpacks_to_too_much_is_refused(client: TestClient) -> None:
    bomb = bytearray(base64.b64decode(picture((8, 8))))
    bomb[16:24] = (60000).to_bytes(4, "big") * 2  # the header's width and height
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    given = base64.b64encode(bytes(bomb)).decode()
    for path, body in (
        ("/sdapi/v1/extra-single-image", {"image": given, "upscaler_1": "Lanczos"}),
        ("/sdapi/v1/png-info", {"image": given}),
        ("/sdapi/v1/img2img", {**SMALL, "init_images": [given]}),
        ("/sdapi/v1/interrogate", {"image": given}),
    ):
        assert client.post(path, json=body).status_code in (413, 500), path
    assert client.post("/api/v1/inputs", content=bytes(bomb)).status_code == 413


def test_no_upscaler_does_nothing() -> None:
    given = Image.new("RGB", (30, 20))
    wanted = Upscale(first="None", second="Lanczos", second_share=1.0)
    assert wanted.apply(given) is given and wanted.info() == ""


def test_a_senseless_size_is_refused() -> None:
    with pytest.raises(InvalidParams):
        Upscale(first="Lanczos", size=(100_000, 100_000)).apply(Image.new("RGB", (8, 8)))


# progress


def test_progress_of_a_running_job(world: World, client: TestClient) -> None:
    world.engine.free = False
    body = {"prompt": "a", "steps": 4, "n_iter": 2, "width": 16, "height": 16, "task_id": "task(mine)"}
    job = client.post("/api/v1/jobs", json=body).json()["id"]
    client.post("/api/v1/jobs", json={**body, "task_id": "task(second)"})
    world.engine.allow(2)
    wait_for(lambda: world.jobs.get(job).step == 2 and world.jobs.preview(job).number == 2)
    answer = client.get("/sdapi/v1/progress").json()
    assert answer["progress"] == 0.25 and answer["state"]["job"] == "Batch 1 out of 2"
    state = answer["state"]
    assert (state["job_count"], state["job_no"], state["sampling_step"], state["sampling_steps"]) == (2, 0, 2, 4)
    assert Image.open(io.BytesIO(base64.b64decode(answer["current_image"]))).size == (8, 8)
    assert client.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"] is None
    assert client.get("/sdapi/v1/progress?task_id=task(second)").json()["textinfo"] == "In queue: 1/1"
    assert client.get("/internal/pending-tasks").json() == {"size": 1, "tasks": ["task(second)"]}


def test_progress_of_a_task(world: World, client: TestClient) -> None:
    world.engine.free = False
    body = {"prompt": "a", "steps": 4, "width": 16, "height": 16}
    job = client.post("/api/v1/jobs", json={**body, "task_id": "task(mine)"}).json()["id"]
    client.post("/api/v1/jobs", json={**body, "task_id": "task(second)"})
    world.engine.allow(1)
    wait_for(lambda: world.jobs.get(job).step == 1 and world.jobs.preview(job))

    def ask(**question: object) -> dict:
        return client.post("/internal/progress", json=question).json()

    running = ask(id_task="task(mine)", id_live_preview=-1)
    assert (running["active"], running["queued"], running["completed"], running["progress"]) == (True, False, False, 0.25)
    assert running["live_preview"].startswith("data:image/png;base64,") and running["id_live_preview"] == 1
    assert ask(id_task="task(mine)", id_live_preview=1)["live_preview"] is None
    assert ask(id_task="task(mine)", live_preview=False)["live_preview"] is None
    queued = ask(id_task="task(second)")
    assert (queued["active"], queued["queued"], queued["textinfo"]) == (False, True, "In queue: 1/1")
    assert ask(id_task="task(none)")["textinfo"] == "Waiting..." and ask(id_task="task(none)")["active"] is False
    world.engine.allow(3)
    wait_for(lambda: ask(id_task="task(mine)")["completed"])


def test_idle_progress(client: TestClient) -> None:
    answer = client.get("/sdapi/v1/progress").json()
    assert answer["progress"] == 0 and answer["state"]["job_count"] == 0 and answer["current_image"] is None
    assert client.post("/sdapi/v1/interrupt").json() == {} and client.post("/sdapi/v1/skip").json() is None


@pytest.mark.parametrize(
    "field",
    [
        {"upscaling_resize": "inf"},
        {"upscaling_resize": "1e999"},
        {"upscaling_resize": 1e308},
        {"upscaling_resize": 10001},
        {"resize_mode": 1, "upscaling_resize_w": 10**400, "upscaling_resize_h": 10},
        {"resize_mode": 1, "upscaling_resize_w": 16384, "upscaling_resize_h": 16384},
    ],
)
def test_a_size_without_end_is_refused(client: TestClient, field: dict) -> None:
    response = client.post("/sdapi/v1/extra-single-image", json={"image": picture(), "upscaler_1": "Lanczos", **field})
    assert response.status_code == 422 and len(response.text) < 500


def test_a_picture_over_the_limit_is_not_decoded(client: TestClient) -> None:
    """Pillow's own limit is at 179 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    large = base64.b64encode(buffer.getvalue()).decode()
    for path, body in (("single-image", {"image": large}), ("batch-images", {"imageList": [{"data": large, "name": "a"}]})):
        response = client.post(f"/sdapi/v1/extra-{path}", json=body)
        assert response.status_code == 413 and "9000x9000; the limit is 64 megapixels" in response.json()["errors"]


def test_a_batch_has_a_limit(client: TestClient) -> None:
    response = client.post("/sdapi/v1/extra-batch-images", json={"imageList": [{"data": "x", "name": "a"}] * 257})
    assert response.status_code == 413 and "the limit is 256 at a time" in response.json()["errors"]
