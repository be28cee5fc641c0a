"""The list of downloads over real files from a local server: found, fetched, put where they belong, and what goes wrong on the way."""

import errno
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.downloads import Download, Downloads, Limits, Sites
from app.schema.errors import InvalidParams, NotFound
from app.schema.settings import ServerSettings
from tests.support.download_site import FILE_PATH, Site, digest, offered


@pytest.fixture
def make(site: Site, sites: Sites, limits: Limits, tmp_path: Path) -> Iterator[Callable[[], Downloads]]:
    made: list[Downloads] = []

    def build() -> Downloads:
        (tmp_path / "data").mkdir(exist_ok=True)
        made.append(Downloads(ServerSettings(data_dir=tmp_path / "data"), sites, limits=limits))
        made[-1].start()
        return made[-1]

    yield build
    if site.slow is not None:
        site.slow.set()
    for downloads in made:
        downloads.close()


def ended(downloads: Downloads, wanted: str, *states: str) -> Download:
    """The download once it is in one of these states."""
    for _ in range(2000):
        download = downloads.get(wanted)
        if download.state in (states or ("done", "failed")):
            return download
        time.sleep(0.01)
    raise AssertionError(downloads.get(wanted))


def test_every_way_of_asking_civitai_leads_to_the_file(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora)
    downloads = make()
    folder = tmp_path / "data" / "models" / "Lora"
    asked = (f"{site.url}/models/3/some-name", f"{site.url}/models/3?modelVersionId=7", site.url + FILE_PATH, digest(lora)[:10])
    for number, typed in enumerate(asked, start=1):
        download = ended(downloads, downloads.add(typed).id)
        assert (download.state, download.kind, download.error) == ("done", "lora", "")
        assert download.file == ("some lora.safetensors" if number == 1 else f"some lora-{number}.safetensors")
        assert (folder / download.file).read_bytes() == lora
        assert json.loads((folder / download.file).with_suffix(".civitai.info").read_text())["trainedWords"] == ["something"]
    assert not list((tmp_path / "data" / "models" / ".downloads").iterdir())


def test_what_a_file_holds_goes_before_what_its_site_says(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora, kind="Checkpoint")
    downloads = make()
    assert ended(downloads, downloads.add(site.url + FILE_PATH).id).kind == "lora"
    assert (tmp_path / "data" / "models" / "Lora" / "some lora.safetensors").is_file()


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"<html>Please sign in</html>" * 100, "x.safetensors", "no model file"),
        (b"\0" * 5000, "x.safetensors", "no model file"),
        (b"MZ" * 500, "x.exe", "no model file by its name"),
    ],
)
def test_what_is_no_model_does_not_land(site: Site, make, tmp_path: Path, data: bytes, name: str, said: str) -> None:
    offered(site, data, name=name)
    downloads = make()
    download = ended(downloads, downloads.add(site.url + FILE_PATH).id)
    assert download.state == "failed" and said in download.error
    assert not [path for path in (tmp_path / "data" / "models").rglob("*") if path.is_file()]


def test_a_wrong_hash_fails_and_leaves_nothing(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora)
    site.files["/store/7"] = lora[:-1] + b"\1"
    downloads = make()
    download = ended(downloads, downloads.add(site.url + FILE_PATH).id)
    assert download.state == "failed" and "sha256" in download.error
    assert not [path for path in (tmp_path / "data" / "models").rglob("*") if path.is_file()]


def test_a_paused_download_goes_on_after_a_restart(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora)
    site.slow = threading.Event()
    downloads = make()
    wanted = downloads.add(site.url + FILE_PATH).id
    ended(downloads, wanted, "running")
    assert downloads.pause(wanted).state == "paused"
    site.slow.set()
    downloads.close()
    site.slow = None
    again = make()
    assert again.get(wanted).state == "paused"
    again.resume(wanted)
    assert ended(again, wanted).state == "done"
    assert (tmp_path / "data" / "models" / "Lora" / "some lora.safetensors").read_bytes() == lora


def test_one_that_ran_when_the_server_ended_goes_on_by_itself(site: Site, make, lora: bytes) -> None:
    offered(site, lora)
    site.slow = threading.Event()
    downloads = make()
    wanted = downloads.add(site.url + FILE_PATH).id
    ended(downloads, wanted, "running")
    threading.Timer(0.2, site.slow.set).start()
    downloads.close()
    site.slow = None
    assert ended(make(), wanted).state == "done"


def test_a_removed_one_leaves_nothing(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora)
    site.slow = threading.Event()
    downloads = make()
    wanted = downloads.add(site.url + FILE_PATH).id
    ended(downloads, wanted, "running")
    downloads.remove(wanted)
    site.slow.set()
    downloads.close()
    with pytest.raises(NotFound):
        downloads.get(wanted)
    assert not [path for path in (tmp_path / "data" / "models").rglob("*") if path.is_file()]


def test_a_token_in_an_address_is_used_and_neither_shown_nor_written(site: Site, make, lora: bytes, tmp_path: Path, caplog) -> None:
    offered(site, lora)
    site.token = "planted-secret"
    downloads = make()
    download = ended(downloads, downloads.add(f"{site.url}{FILE_PATH}?token=planted-secret").id)
    assert download.state == "done"
    assert "planted-secret" not in (tmp_path / "data" / "downloads.json").read_text() + repr(download) + download.shown + caplog.text
    assert not any("planted-secret" in path for path, _ in site.asked)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("http://[x", "no address"),
        ("", "address of a file, of a page at Civitai, or a file's hash"),
        ("not an address", "or a file's hash"),
        ("file:///etc/passwd", "or a file's hash"),
        ("javascript:alert(1)", "or a file's hash"),
        ("abcdef", "or a file's hash"),
        ("http://127.0.0.1:99999/x", "name a server"),
        ("https://", "name a server"),
        ("https://ada:secret@example.org/x.safetensors", "name a server"),
        ("CIVITAI/user/ada", "a model's page at Civitai"),
        ("CIVITAI/models/x?modelVersionId=²", "a model's page at Civitai"),
        ("CIVITAI/models/٣", "a model's page at Civitai"),
        ("http://127.0.0.1:1/ada/model", "one file at Hugging Face"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(site: Site, make, typed: str, words: str) -> None:
    downloads = make()
    with pytest.raises(InvalidParams, match=words):
        downloads.add(typed.replace("CIVITAI", site.url))
    assert not downloads.all() and not site.asked


def test_an_address_without_tls_is_refused_at_once(tmp_path: Path, site: Site) -> None:
    downloads = Downloads(ServerSettings(data_dir=tmp_path), Sites())
    with pytest.raises(InvalidParams, match="Only https addresses are used"):
        downloads.add(f"{site.url}/x.safetensors")
    downloads.close()


def test_the_same_wish_twice_is_one(site: Site, make, lora: bytes) -> None:
    offered(site, lora)
    site.slow = threading.Event()
    downloads = make()
    assert downloads.add(site.url + FILE_PATH).id == downloads.add(site.url + FILE_PATH).id
    assert downloads.all()[0].state in ("queued", "running")


def test_the_same_wish_after_a_failure_goes_on(site: Site, make, lora: bytes) -> None:
    downloads = make()
    failed = ended(downloads, downloads.add(site.url + FILE_PATH).id)
    assert failed.state == "failed" and "404" in failed.error
    offered(site, lora)
    again = downloads.add(site.url + FILE_PATH)
    assert again.id == failed.id and ended(downloads, again.id, "done").file == "some lora.safetensors"


def test_one_that_is_removed_and_wanted_again_is_a_new_one(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    """The old one's end must not take what the new one has fetched."""
    offered(site, lora)
    site.slow = threading.Event()
    downloads = make()
    old = downloads.add(site.url + FILE_PATH).id
    ended(downloads, old, "running")
    downloads.remove(old)
    new = downloads.add(site.url + FILE_PATH).id
    site.slow.set()
    assert new != old and ended(downloads, new).state == "done"
    assert (tmp_path / "data" / "models" / "Lora" / "some lora.safetensors").read_bytes() == lora


def test_a_folder_on_another_disk(site: Site, make, lora: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the refusal to rename across disks is made up."""
    offered(site, lora)
    rename = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.name.endswith(".download"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    downloads = make()
    assert ended(downloads, downloads.add(site.url + FILE_PATH).id).state == "done"
    assert (tmp_path / "data" / "models" / "Lora" / "some lora.safetensors").read_bytes() == lora
    assert not list((tmp_path / "data" / "models" / ".downloads").iterdir())


def test_a_damaged_entry_loses_no_other_download(site: Site, make, lora: bytes, tmp_path: Path) -> None:
    offered(site, lora)
    downloads = make()
    sound = ended(downloads, downloads.add(site.url + FILE_PATH).id)
    downloads.close()
    path = tmp_path / "data" / "downloads.json"
    text = json.dumps([{"id": "7"}, *json.loads(path.read_text())])
    path.write_text(text)
    assert [download.id for download in make().all()] == [sound.id]
    assert path.with_name("downloads.damaged-1.json").read_text() == text
