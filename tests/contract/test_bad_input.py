"""Bad input against the whole server: each piece gets its reason, the server goes on, and nothing half-written is left."""

import base64
import io
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.schema.settings import ServerSettings
from app.server import Front
from tests.conftest import link_tree
from tests.support.model_files import write_header
from tests.support.paths import ROOT

TXT2IMG, IMG2IMG, JOBS, OPTIONS = "/sdapi/v1/txt2img", "/sdapi/v1/img2img", "/api/v1/jobs", "/sdapi/v1/options"
TINY = "tiny-a.safetensors"
SMALL: dict[str, Any] = {
    "prompt": "a cat",
    "seed": 1,
    "steps": 1,
    "width": 64,
    "height": 64,
    "override_settings": {"sd_model_checkpoint": TINY},
    "save_images": True,
}
OWN: dict[str, Any] = {"prompt": "a cat", "seed": 1, "steps": 1, "width": 64, "height": 64, "checkpoint": TINY}
HALF = "\ud800"
UNREADABLE = "The file is no picture that can be read"


class Pickled:
    """A pickle that makes a file where it is opened the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture(scope="module")
def folder(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder: the tiny models, and files beside them that are none."""
    folder = link_tree(tiny_store, tmp_path_factory.mktemp("bad"))
    checkpoints = folder / "models" / "Stable-diffusion"
    whole = (checkpoints / TINY).read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    (checkpoints / "cut-header.safetensors").write_bytes(whole[: header // 2])
    (checkpoints / "cut-tensors.safetensors").write_bytes(whole[: header + 1000])
    (checkpoints / "renamed.ckpt").write_bytes(whole)
    (checkpoints / "text.safetensors").write_bytes(b"These are no weights.\n" * 9)
    (checkpoints / "picture.safetensors").write_bytes(picture())
    (checkpoints / "empty.safetensors").write_bytes(b"")
    write_header(checkpoints / "endless.safetensors", b"{}", length=2**60)
    with zipfile.ZipFile(checkpoints / "program.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state_dict": Pickled(folder / "was-run")}))
    with zipfile.ZipFile(checkpoints / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    (checkpoints / "folder.safetensors").mkdir()
    (checkpoints / "loop.safetensors").symlink_to("loop.safetensors")
    (checkpoints / "round").symlink_to(".")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    tiny = folder / "models" / "Stable-diffusion" / TINY
    settings = ServerSettings(
        data_dir=folder, embedded_dir=ROOT / "models" / "Stable-diffusion", ckpt=str(tiny), device="cpu", dtype="fp32", nowebui=True
    )
    with TestClient(Front(settings), base_url="http://127.0.0.1") as made:
        assert made.get("/api/v1/status").status_code == 200  # it has made its folders
        yield made


@pytest.fixture(autouse=True)
def unharmed(client: TestClient, folder: Path) -> Iterator[None]:
    """After each test: the server makes its picture, and no half-written or unasked-for file lies about."""
    before = files_of(folder)
    yield
    assert not (folder / "was-run").exists()
    assert files_of(folder) == before
    assert client.get("/api/v1/status").json()["running"] == 0
    made = client.post(TXT2IMG, json={**SMALL, "save_images": False})
    assert made.status_code == 200, made.text[:300]
    Image.open(io.BytesIO(base64.b64decode(made.json()["images"][0]))).load()


def files_of(folder: Path) -> set[Path]:
    """All that was written but the database's and the cache's own books, and whole input pictures, which are kept for jobs to come."""
    kept = re.compile(r"\.sqlite3|^[0-9a-f]{64}\.png$")
    return {path for path in folder.rglob("*") if not path.is_dir() and not kept.search(path.name)}


def picture(size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#3060c0").save(buffer, "PNG")
    return buffer.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bomb() -> bytes:
    """A small PNG file of 30000 x 30000 pixels."""
    buffer = io.BytesIO()
    Image.new("1", (30000, 30000)).save(buffer, "PNG")
    return buffer.getvalue()


BROKEN_MODELS = {
    "cut-header.safetensors": "cut off within its header",
    "cut-tensors.safetensors": "cut off: 1,000 of",
    "renamed.ckpt": "Rename it to .safetensors",
    "text.safetensors": "a text file",
    "picture.safetensors": "a picture",
    "empty.safetensors": "empty (0 bytes)",
    "endless.safetensors": "no safetensors file",
    "program.ckpt": "which is program code and not weights",
    "bomb.ckpt": "compressed",
}


@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_file_that_is_no_checkpoint_says_why(client: TestClient, name: str) -> None:
    for response in (
        client.post(TXT2IMG, json={**SMALL, "override_settings": {"sd_model_checkpoint": name}}),
        client.post(OPTIONS, json={"sd_model_checkpoint": name}),
    ):
        assert response.status_code == 422 and name in response.json()["errors"] and BROKEN_MODELS[name] in response.json()["errors"]
    assert name not in client.get("/sdapi/v1/sd-models").text
    listed = {file["filename"]: file["problem"] for file in client.get("/api/v1/models").json()["checkpoints"]}
    assert BROKEN_MODELS[name] in listed[name] and listed[TINY] is None


NO_FILES = ["folder.safetensors", "loop.safetensors", "round/tiny-a.safetensors", "../../../etc/passwd", "/etc/passwd"]


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_of_the_folder_is_no_checkpoint(client: TestClient, name: str) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "override_settings": {"sd_model_checkpoint": name}})
    assert response.status_code == 404 and f"There is no checkpoint {name!r}" in response.json()["errors"]


def test_a_checkpoint_that_goes_or_breaks_while_it_is_chosen(client: TestClient, folder: Path) -> None:
    mine = folder / "models" / "Stable-diffusion" / "mine.safetensors"
    request = {**SMALL, "save_images": False, "override_settings": {}}
    chosen = client.get(OPTIONS).json()["sd_model_checkpoint"]
    shutil.copy(mine.with_name("tiny-b.safetensors"), mine)
    client.post("/sdapi/v1/refresh-checkpoints")
    try:
        assert client.post(OPTIONS, json={"sd_model_checkpoint": mine.name}).status_code == 200
        assert client.post(TXT2IMG, json=request).status_code == 200
        mine.unlink()
        response = client.post(TXT2IMG, json=request)
        assert response.status_code == 422 and "no longer there" in response.json()["errors"]
        mine.write_bytes(b"garbage " * 1000)
        response = client.post(TXT2IMG, json=request)
        assert response.status_code == 422 and "no safetensors file" in response.json()["errors"]
        shutil.copy(mine.with_name("tiny-b.safetensors"), mine)
        assert client.post(TXT2IMG, json=request).status_code == 200
    finally:
        mine.unlink(missing_ok=True)
        client.post(OPTIONS, json={"sd_model_checkpoint": chosen or TINY})
        client.post("/sdapi/v1/refresh-checkpoints")
        (folder / "config.json").unlink(missing_ok=True)


BAD_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown sampler": ({"sampler_name": "Nope"}, "There is no sampler 'Nope'"),
    "width 7": ({"width": 7}, "width: input should be greater than or equal to 8"),
    "endless width": ({"width": 10**9}, "width: "),
    "steps 0": ({"steps": 0}, "steps: input should be greater than or equal to 1"),
    "prompt of a megabyte": ({"prompt": "a" * 2**20}, "prompt: string should have at most 100000 characters"),
    "seed -5": ({"seed": -5}, "seed: "),
    "seed of 31 digits": ({"seed": 10**30}, "seed: "),
    "no pictures": ({"batch_size": 0}, "batch_size: "),
    "a billion pictures": ({"n_iter": 10**9}, "n_iter: "),
    "cfg that is no number": ({"cfg_scale": float("nan")}, "cfg_scale: input should be a finite number"),
    "endless cfg": ({"cfg_scale": float("inf")}, "cfg_scale: input should be a finite number"),
    "unknown option": ({"override_settings": {"api_auth": "a:b"}}, "There is no option 'api_auth'"),
    "folder of another": ({"override_settings": {"outdir_samples": "/elsewhere"}}, "Option outdir_samples should be like outputs/mine"),
    "format with a path": ({"override_settings": {"samples_format": "../x"}}, "Option samples_format should be one of"),
    "strength that is no number": ({"denoising_strength": float("nan")}, "denoising_strength: input should be a finite number"),
    "endless hires scale": ({"hr_scale": float("inf")}, "hr_scale: input should be a finite number"),
    "comment that is no number": ({"comments": {"a": float("nan")}}, "a: input should be a finite number"),
    "argument that is no number": ({"alwayson_scripts": {"seed": {"args": [float("nan")]}}}, "args: input should be a finite number"),
    "sampler of a megabyte": ({"sampler_name": "x" * 2**20}, "There is no sampler 'xxx"),
    "option of a megabyte": ({"override_settings": {"x" * 2**20: 1}}, "There is no option 'xxx"),
    "checkpoint of a megabyte": ({"override_settings": {"sd_model_checkpoint": "x" * 2**20}}, "should be at most 10000"),
    "task of a megabyte": ({"force_task_id": "x" * 2**20}, "force_task_id: string should have at most 200 characters"),
    "nested 150 times": ({"comments": {"a": json.loads("[" * 150 + "]" * 150)}}, "nested too deeply"),
    "half a character": ({"force_task_id": HALF}, "half a character"),
    "half a character as a name": ({"alwayson_scripts": {HALF: {}}}, "half a character"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_wrong_setting_is_told_by_name(client: TestClient, name: str) -> None:
    fields, reason = BAD_SETTINGS[name]
    response = client.post(TXT2IMG, content=json.dumps({**SMALL, **fields}), headers={"content-type": "application/json"})
    assert 400 <= response.status_code < 500 and reason in response.json()["errors"] and len(response.text) < 1000


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sampler": "Nope"}, "There is no sampler 'Nope'"),
        ({"width": 7}, "width: "),
        ({"steps": 0}, "steps: "),
        ({"prompt": "a" * 2**20}, "prompt: "),
        ({"mode": "img2img", "init_images": ["../../etc/passwd"]}, "There is no such input picture"),
        ({"mode": "img2img", "init_images": [HALF]}, "half a character"),
        ({"mode": "img2img", "images": [text(b"I am a text")]}, UNREADABLE),
    ],
)
def test_our_own_api_tells_it_too(client: TestClient, fields: dict[str, Any], reason: str) -> None:
    response = client.post(JOBS, content=json.dumps({**OWN, **fields}), headers={"content-type": "application/json"})
    assert 400 <= response.status_code < 500 and reason in response.json()["detail"] and response.json()["code"]


@pytest.mark.parametrize("path", [TXT2IMG, JOBS, OPTIONS, "/api/v1/tokens"])
@pytest.mark.parametrize(
    "body", [b"{nope", b"", b"null", b"[]", b"[" * 100_000, b'{"a":' * 50_000, bytes(range(256)), b'{"prompt": "\xff"}', b'"\\ud800"']
)
def test_json_that_is_no_json_or_no_object(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422) and response.json()["detail" if "errors" not in response.json() else "errors"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/v1/tokens", b"[" * 100_000, 400, "invalid_params"),
        ("POST", "/api/v1/tokens", b'{"steps": ' + b"9" * 5000 + b"}", 400, "invalid_params"),
        ("POST", "/api/v1/tokens", b'{"text": "\xff"}', 400, "invalid_params"),
        ("POST", "/api/v1/nothing", b"", 404, "not_found"),
        ("DELETE", "/api/v1/jobs", b"", 405, "wrong_method"),
    ],
)
def test_our_own_api_has_a_code_for_every_error(client: TestClient, method: str, path: str, body: bytes, status: int, code: str) -> None:
    response = client.request(method, path, content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert status != 400 or response.json()["detail"].startswith("The JSON cannot be read: ")


def test_half_a_character_in_utf_16(client: TestClient) -> None:
    body = json.dumps({**SMALL, "force_task_id": HALF}).encode("utf-16-le")
    response = client.post(TXT2IMG, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422 and "half a character" in response.json()["errors"]


@pytest.mark.parametrize(
    "field", [{"script_name": "y" * 2**20}, {"alwayson_scripts": {"z" * 2**20: {}}}, {"refiner_checkpoint": "r" * 2**20}]
)
def test_a_name_of_a_megabyte_does_not_come_back_whole(client: TestClient, field: dict[str, Any]) -> None:
    response = client.post(TXT2IMG, json={**SMALL, **field})
    assert response.status_code in (422, 500) and len(response.text) < 1000


OLD_HIRES = "a\nSteps: 1, Sampler: Euler, CFG scale: 7, Size: 64x64, First pass size-1: "


@pytest.mark.parametrize("text", [OLD_HIRES + "abc", OLD_HIRES + "64", OLD_HIRES + "9" * 5000, OLD_HIRES + "x, First pass size-2: 64"])
def test_an_old_hires_field_that_is_no_size(client: TestClient, text: str) -> None:
    assert client.post(TXT2IMG, json={**SMALL, "save_images": False, "infotext": text}).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "FOO", "CONNECT"])
@pytest.mark.parametrize("path", [OPTIONS, JOBS, "/internal/nope"])
def test_methods_that_nothing_has(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


def test_a_body_over_the_limit_is_told_before_it_is_sent(client: TestClient) -> None:
    told = "The request is larger than the limit of 256 MiB."
    for path, more in ((OPTIONS, {}), (JOBS, {"code": "too_large"})):
        response = client.post(path, content=b"{}", headers={"content-type": "application/json", "content-length": "9" * 12})
        assert (response.status_code, response.json()) == (413, {"detail": told, **more})


def test_half_a_character_does_not_reach_the_options(client: TestClient) -> None:
    """Once there, no answer could tell the options any more."""
    before = client.get(OPTIONS).json()
    response = client.post(OPTIONS, content=b'{"font": "\\ud800"}', headers={"content-type": "application/json"})
    assert response.status_code == 422 and "half a character" in response.json()["errors"]
    assert client.get(OPTIONS).json() == before


def test_a_whole_character_in_two_halves_is_a_character(client: TestClient) -> None:
    response = client.post("/api/v1/tokens", content=b'{"text": "\\ud83c\\udf4e caf\\u00e9"}', headers={"content-type": "application/json"})
    assert response.status_code == 200 and response.json()["count"] > 0


NO_PICTURES = {"text": b"I am a text named .png", "empty": b"", "cut": picture()[:60], "gif": b"GIF89a" + b"\xff" * 20}


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_a_file_that_is_no_picture(client: TestClient, data: bytes) -> None:
    for content, kind in ((data, "image/png"), (form_of(data), "multipart/form-data; boundary=x")):
        response = client.post("/api/v1/inputs", content=content, headers={"content-type": kind})
        assert response.status_code == 422 and UNREADABLE in response.json()["detail"]
    # A1111's own answer, status and all.
    for path, fields in ((IMG2IMG, {**SMALL, "init_images": [text(data)]}), ("/sdapi/v1/png-info", {"image": text(data)})):
        response = client.post(path, json=fields)
        assert (response.status_code, response.json()["detail"]) == (500, "Invalid encoded image")


def form_of(data: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../../x.png"\r\n\r\n'
    return head + data + b"\r\n--x--\r\n"


def test_a_small_file_that_unpacks_to_a_huge_picture(client: TestClient) -> None:
    data = bomb()
    assert len(data) < 1_000_000
    response = client.post("/api/v1/inputs", content=data, headers={"content-type": "image/png"})
    assert response.status_code == 413 and "more pixels than are decoded here" in response.json()["detail"]
    response = client.post(IMG2IMG, json={**SMALL, "init_images": [text(data)]})
    assert response.status_code == 413 and "more pixels than are decoded here" in response.json()["errors"]


def test_a_picture_without_metadata_is_said_to_have_none(client: TestClient) -> None:
    response = client.post("/sdapi/v1/png-info", json={"image": text(picture())})
    assert response.status_code == 200 and (response.json()["info"], response.json()["items"]) == ("", {})


@pytest.mark.parametrize("path", ["/api/v1/pictures/{}", "/api/v1/pictures/{}/infotext", "/api/v1/jobs/{}", "/api/v1/jobs/{}/preview"])
@pytest.mark.parametrize("name", ["..%2f..%2fconfig.json", "%2e%2e%2fdarkroom.sqlite3", "%00", "x%0d%0aX-Evil:1", "%ed%a0%80", "." * 3000])
def test_ids_are_no_paths(client: TestClient, path: str, name: str) -> None:
    response = client.get(path.format(name))
    assert response.status_code in (404, 405, 422) and response.json()["detail"] and "x-evil" not in response.headers


def test_an_outputs_folder_that_cannot_be_written(client: TestClient, folder: Path) -> None:
    outputs = folder / "outputs"
    kept = outputs.with_name("outputs-kept")
    outputs.mkdir(exist_ok=True)
    outputs.rename(kept)
    outputs.write_text("in the way")
    try:
        response = client.post(TXT2IMG, json=SMALL)
        assert response.status_code == 507 and response.json()["errors"].startswith("The picture could not be saved: ")
    finally:
        outputs.unlink()
        kept.rename(outputs)


def as_file(shown: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, kind, **settings)
    return buffer.getvalue()


def frames() -> bytes:
    reds = [Image.new("P", (32, 32), shade) for shade in range(3)]
    return as_file(reds[0], "GIF", save_all=True, append_images=reds[1:])


HALF_MASK = Image.new("L", (64, 64))
HALF_MASK.paste(255, (32, 0, 64, 64))
UNUSUAL: dict[str, tuple[bytes, bytes]] = {
    "mask of another size": (picture(), as_file(HALF_MASK.resize((30, 100)))),
    "empty mask": (picture(), as_file(Image.new("L", (64, 64), 0))),
    "full mask": (picture(), as_file(Image.new("L", (64, 64), 255))),
    "one pixel": (picture((1, 1)), as_file(Image.new("L", (1, 1), 255))),
    "a line": (picture((300, 1)), as_file(HALF_MASK)),
    "CMYK": (as_file(Image.new("CMYK", (40, 40), (0, 90, 90, 0)), "JPEG"), as_file(HALF_MASK)),
    "16 bits": (as_file(Image.new("I;16", (40, 40), 40_000)), as_file(Image.new("I;16", (40, 40), 65_535))),
    "moving": (frames(), frames()),
}


@pytest.mark.parametrize("only_masked", [False, True], ids=["whole", "only masked"])
@pytest.mark.parametrize("name", UNUSUAL)
def test_pictures_and_masks_of_unusual_kinds_are_drawn_on(client: TestClient, name: str, only_masked: bool) -> None:
    shown, mask = UNUSUAL[name]
    fields = {"init_images": [text(shown)], "mask": text(mask), "inpaint_full_res": only_masked, "save_images": False}
    response = client.post(IMG2IMG, json={**SMALL, **fields})
    assert response.status_code == 200, response.text
    with Image.open(io.BytesIO(base64.b64decode(response.json()["images"][0]))) as result:
        result.load()


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_a_mask_that_is_no_picture(client: TestClient, data: bytes) -> None:
    fields = {"init_images": [text(picture())], "mask": text(data) or "!"}
    response = client.post(IMG2IMG, json={**SMALL, **fields})
    assert (response.status_code, response.json()["detail"]) == (500, "Invalid encoded image")
    response = client.post("/api/v1/inputs?kind=mask", content=data, headers={"content-type": "image/png"})
    assert response.status_code == 422 and UNREADABLE in response.json()["detail"]


def test_a_mask_that_unpacks_to_a_huge_picture(client: TestClient) -> None:
    response = client.post(IMG2IMG, json={**SMALL, "init_images": [text(picture())], "mask": text(bomb())})
    assert response.status_code == 413 and "more pixels than are decoded here" in response.json()["errors"]


def test_a_mask_without_a_picture_and_a_mask_that_is_not_there(client: TestClient) -> None:
    response = client.post(JOBS, json={**OWN, "mask": "0" * 64})
    assert response.status_code == 422 and "needs a picture to start from" in response.json()["detail"]
    start = client.post("/api/v1/inputs", content=picture(), headers={"content-type": "image/png"}).json()["id"]
    response = client.post(JOBS, json={**OWN, "mode": "img2img", "init_images": [start], "mask": "0" * 64})
    assert response.status_code == 404 and "send it again" in response.json()["detail"]


def test_an_order_that_unipc_cannot_compute_has_its_sentence(client: TestClient) -> None:
    settings = {**SMALL["override_settings"], "uni_pc_order": 30}
    response = client.post(TXT2IMG, json={**SMALL, "sampler_name": "UniPC", "steps": 60, "override_settings": settings})
    assert response.status_code == 422 and "not finite" in response.text, response.text
