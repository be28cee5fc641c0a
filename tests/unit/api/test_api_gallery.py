"""/api/v1/gallery over real files: finding, marking, files, archives, comparing, trash; and who may see what."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.metadata import encode_picture, read_picture

GALLERY = "/api/v1/gallery"
ME, YOU = {"Cookie": f"darkroom_client={'a' * 32}"}, {"Cookie": f"darkroom_client={'b' * 32}"}


def write(path: Path, prompt: str, color: int = 0, size: int = 8, model: str = "pocket", seed: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"{prompt}\nSteps: 3, Sampler: Euler, CFG scale: 7.0, Seed: {seed}, Size: 8x8, Model: {model}"
    path.write_bytes(encode_picture(np.full((size, size, 3), color, np.uint8), text, path.suffix[1:]))
    return path


@pytest.fixture
def pictures(world) -> Path:
    """The outputs folder with three pictures, indexed."""
    outputs = world.settings.outputs
    write(outputs / "a" / "one.png", "a red house", 10, seed=7)
    write(outputs / "b" / "one.png", "a blue house <lora:Ink:1>", 14, model="other", seed=8)
    write(outputs / "b" / "wide ü.jpg", "a fox", 30, size=16, seed=9)
    world.gallery.scan()
    return outputs


def found(client: TestClient, **wanted) -> list[dict]:
    answer = client.get(GALLERY, params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["pictures"]


def id_of(client: TestClient, query: str) -> str:
    return found(client, query=query)[0]["id"]


def test_finding(client, pictures):
    page = client.get(GALLERY, params={"query": "house", "limit": 1}).json()
    assert (page["total"], page["total_is_least"], len(page["pictures"])) == (2, False, 1)
    following = client.get(GALLERY, params={"query": "house", "limit": 1, "cursor": page["cursor"]}).json()
    assert following["cursor"] is None and {page["pictures"][0]["seed"], following["pictures"][0]["seed"]} == {"7", "8"}
    assert [one["seed"] for one in found(client, model="other")] == ["8"]
    assert [one["seed"] for one in found(client, lora="Ink", size="8x8", sampler="Euler")] == ["8"]
    assert [one["seed"] for one in found(client, size="16x16")] == ["9"] and found(client, after=4e9) == []
    one = found(client, seed="9")[0]
    assert (one["name"], one["place"], one["format"], one["width"]) == ("wide ü.jpg", "b/wide ü.jpg", "jpeg", 16)
    assert str(pictures) not in client.get(GALLERY).text


def test_choices_and_status(client, pictures):
    choices = client.get(f"{GALLERY}/choices").json()
    assert {entry["value"]: entry["pictures"] for entry in choices["model"]} == {"pocket": 2, "other": 1}
    status = client.get(f"{GALLERY}/status").json()
    assert (status["total"], status["scanning"], status["owner"], status["strips"]) == (3, False, True, False)


def test_details_files_and_thumbnails(client, pictures):
    one = client.get(f"{GALLERY}/pictures/{id_of(client, 'red')}").json()
    assert one["infotext"].startswith("a red house\nSteps: 3") and one["prompt"] == "a red house"
    file = client.get(one["url"])
    assert file.content == (pictures / "a" / "one.png").read_bytes() and file.headers["content-type"] == "image/png"
    assert file.headers["content-disposition"].startswith("inline") and "immutable" in file.headers["cache-control"]
    small = client.get(one["thumbnail"])
    assert small.headers["content-type"] == "image/webp" and Image.open(io.BytesIO(small.content)).size == (8, 8)
    wide = client.get(f"{GALLERY}/pictures/{id_of(client, 'fox')}/file", params={"download": True})
    assert wide.headers["content-disposition"] == "attachment; filename=\"wide _.jpg\"; filename*=UTF-8''wide%20%C3%BC.jpg"


def test_stripped_copies(world, client, pictures):
    address = f"{GALLERY}/pictures/{id_of(client, 'red')}/file"
    assert b"red house" not in client.get(address, params={"strip": True}).content
    assert b"red house" in client.get(address, params={"download": True}).content
    world.options.set_many({"darkroom_strip_downloads": True})
    assert b"red house" not in client.get(address, params={"download": True}).content
    assert b"red house" in client.get(address).content, "looking is not sharing"


def test_marking(client, pictures):
    one, other = id_of(client, "red"), id_of(client, "fox")
    marked = client.post(f"{GALLERY}/marks", json={"ids": [one, other], "rating": 4, "favourite": True, "add_tags": [" best ", "x"]}).json()
    assert [(m["rating"], m["favourite"], m["tags"]) for m in marked] == [(4, True, ["best", "x"])] * 2
    client.post(f"{GALLERY}/marks", json={"ids": [other], "rating": 0, "remove_tags": ["x"], "add_albums": ["Summer"]})
    assert [m["id"] for m in found(client, rating=3)] == [one] and [m["id"] for m in found(client, tag="X")] == [one]
    assert [m["id"] for m in found(client, album="Summer", favourite=True)] == [other]
    assert client.get(f"{GALLERY}/choices").json()["tag"] == [{"value": "best", "pictures": 2}, {"value": "x", "pictures": 1}]


def test_an_archive(world, client, pictures):
    ids = ",".join([id_of(client, "red"), id_of(client, "blue"), id_of(client, "fox")])
    answer = client.post(f"{GALLERY}/zip", data={"ids": ids})
    assert "_[pocket]_7-9.zip" in answer.headers["content-disposition"].replace("%5B", "[").replace("%5D", "]")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None and archive.namelist() == ["one.png", "one-1.png", "wide ü.jpg"]
        assert archive.read("one-1.png") == (pictures / "b" / "one.png").read_bytes()
    world.options.set_many({"grid_zip_filename_pattern": "mine-[seed]"})
    answer = client.post(f"{GALLERY}/zip", data={"ids": ids, "strip": "true"})
    assert 'filename="mine-7.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert all(read_picture(archive.read(name)).text == "" for name in archive.namelist())


def test_comparing(client, pictures):
    asked = {"one": id_of(client, "red"), "other": id_of(client, "blue")}
    told = client.get(f"{GALLERY}/compare", params=asked).json()
    settings = {pair["label"]: (pair["one"], pair["other"]) for pair in told["settings"]}
    assert settings["Model"] == ("pocket", "other") and settings["Steps"] == ("3", "3")
    assert told["pixels"] == {"mean": 4.0, "maximum": 4, "share": 1.0}
    assert np.asarray(Image.open(io.BytesIO(client.get(told["difference"]).content))).max() == 32
    asked["other"] = id_of(client, "fox")
    assert client.get(f"{GALLERY}/compare", params=asked).json()["pixels"] is None
    refused = client.get(f"{GALLERY}/compare/difference", params=asked)
    assert refused.status_code == 422 and "different sizes" in refused.json()["detail"]


def test_trash(client, pictures):
    one = id_of(client, "red")
    keys = client.post(f"{GALLERY}/trash", json={"ids": [one]}).json()["keys"]
    assert found(client, query="red") == [] and not (pictures / "a" / "one.png").exists()
    trashed = client.get(f"{GALLERY}/trash").json()
    assert [entry["place"] for entry in trashed] == ["a/one.png"] and client.get(trashed[0]["thumbnail"]).status_code == 200
    assert client.post(f"{GALLERY}/trash/restore", json={"keys": keys}).json() == {"pictures": 1}
    assert id_of(client, "red") == one and (pictures / "a" / "one.png").exists()
    keys = client.post(f"{GALLERY}/trash", json={"ids": [one]}).json()["keys"]
    assert client.post(f"{GALLERY}/trash/destroy", json={"keys": keys}).json() == {"pictures": 1}
    assert client.get(f"{GALLERY}/trash").json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", "", {"rating": 6}, 422),
        ("get", "", {"size": "8"}, 422),
        ("get", "", {"cursor": "x"}, 422),
        ("get", "", {"limit": 0}, 422),
        ("get", "", {"after": "nan"}, 422),
        ("get", "", {"query": "x" * 2000}, 422),
        ("get", "/pictures/nope", {}, 404),
        ("get", "/pictures/..%2f..%2fetc/file", {}, 404),
        ("get", "/pictures/nope/thumbnail", {}, 404),
        ("get", "/compare", {"one": "a", "other": "b"}, 404),
        ("get", "/trash/nope/thumbnail", {}, 404),
        ("post", "/marks", {"ids": []}, 422),
        ("post", "/marks", {"ids": ["nope"]}, 404),
        ("post", "/marks", {"ids": ["nope"], "rating": 9}, 422),
        ("post", "/marks", {"ids": ["nope"], "add_tags": [" "]}, 422),
        ("post", "/marks", {"ids": ["nope"], "add_tags": ["x" * 101]}, 422),
        ("post", "/trash", {"ids": ["nope"]}, 404),
        ("post", "/trash/restore", {"keys": ["../../x"]}, 404),
        ("post", "/trash/destroy", {"keys": ["nope"]}, 404),
        ("post", "/folders", {"path": "/no/such/folder"}, 422),
        ("post", "/folders", {"path": ""}, 422),
        ("delete", "/folders/9", None, 404),
    ],
)
def test_bad_requests_get_a_sentence(client, pictures, method, path, body, status):
    answer = client.get(GALLERY + path, params=body) if method == "get" else client.request(method, GALLERY + path, json=body)
    assert answer.status_code == status and answer.json()["detail"], answer.text
    assert "Traceback" not in answer.text and "\\d" not in answer.text


@pytest.mark.parametrize("ids", ["", ",", "nope"])
def test_an_archive_of_nothing(client, pictures, ids):
    answer = client.post(f"{GALLERY}/zip", data={"ids": ids})
    assert answer.status_code in (404, 422) and answer.json()["detail"]


def test_on_a_public_server_everybody_sees_their_own(build):
    world = build(listen=True)
    file = write(world.settings.outputs / "mine.png", "a red house")
    write(world.settings.outputs / "nobodys.png", "an old house", 9)
    world.gallery.scan()
    world.gallery.saved(file, file.read_bytes(), "a" * 32)
    client = world.client()
    mine = client.get(GALLERY, headers=ME).json()["pictures"]
    assert [one["name"] for one in mine] == ["mine.png"] and client.get(GALLERY, headers=YOU).json()["pictures"] == []
    assert client.get(GALLERY).json()["pictures"] == [] and client.get(f"{GALLERY}/choices", headers=YOU).json()["model"] == []
    for path in ("", "/file", "/thumbnail"):
        assert client.get(f"{GALLERY}/pictures/{mine[0]['id']}{path}", headers=ME).status_code == 200
        assert client.get(f"{GALLERY}/pictures/{mine[0]['id']}{path}", headers=YOU).status_code == 404
    assert client.post(f"{GALLERY}/trash", json={"ids": [mine[0]["id"]]}, headers=YOU).status_code == 404 and file.exists()
    keys = client.post(f"{GALLERY}/trash", json={"ids": [mine[0]["id"]]}, headers=ME).json()["keys"]
    assert client.get(f"{GALLERY}/trash", headers=YOU).json() == [] and len(client.get(f"{GALLERY}/trash", headers=ME).json()) == 1
    assert client.post(f"{GALLERY}/trash/restore", json={"keys": keys}, headers=YOU).status_code == 404
    for method, path in (("get", "/folders"), ("post", "/folders"), ("delete", "/folders/1"), ("post", "/refresh")):
        refused = client.request(method, GALLERY + path, headers=ME, json={"path": "/"} if method == "post" else None)
        assert refused.status_code == 403 and "--listen" in refused.json()["detail"]


def test_a_job_s_picture_is_in_the_gallery_at_once(world, client):
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "a green tree", "steps": 1, "width": 64, "height": 64, "save_images": True})
    assert answer.status_code == 200
    assert [one["prompt"] for one in found(client, query="tree")] == ["a green tree"]


def test_folders_of_the_owner(world, client, pictures, tmp_path):
    write(tmp_path / "elsewhere" / "x.png", "a violet cow", 3)
    folders = client.post(f"{GALLERY}/folders", json={"path": str(tmp_path / "elsewhere")}).json()
    assert [folder["path"] for folder in folders] == [str(pictures), str(tmp_path / "elsewhere")]
    world.gallery.scan()
    assert len(found(client, query="cow", folder=folders[1]["number"])) == 1
    assert len(client.delete(f"{GALLERY}/folders/{folders[1]['number']}").json()) == 1 and found(client, query="cow") == []
    assert client.post(f"{GALLERY}/refresh", params={"rebuild": True}).status_code == 202
    world.gallery.scan()
    assert len(found(client)) == 3
