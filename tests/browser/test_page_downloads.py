"""Downloads in the real page, from a server on this machine that answers as Civitai does: cut, resumed, refused, and from PNG Info."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

from app.models.hashes import tensors_sha256_of
from tests.browser.darkroom import PATIENCE_MS, Darkroom
from tests.support.download_site import FILE_PATH, PART_BYTES, Site, offered, running_site, version
from tests.support.model_files import write_shapes
from tests.support.server import running_server

SHAPES = {"lora_unet_x.lora_up.weight": (400, 400), "lora_unet_x.lora_down.weight": (8, 400)}
"""A LoRA by its tensors, of six parts."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str, Path]]:
    """The site, a server that downloads from it, and the server's data folder."""
    data = tmp_path_factory.mktemp("downloads-data")
    with running_site() as site, running_server(data, module=("tests.support.site_server", str(site.port))) as url:
        yield site, url, data


@pytest.fixture
def site(running: tuple[Site, str, Path]) -> Site:
    """The site without what other tests told it."""
    made = running[0]
    for name, value in Site(port=made.port).__dict__.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def loras(running: tuple[Site, str, Path]) -> Path:
    """Where they land; without those of other tests."""
    folder = running[2] / "models" / "Lora"
    for file in folder.iterdir():
        file.unlink()
    return folder


@pytest.fixture
def page(tab: Page, running: tuple[Site, str, Path]) -> Iterator[Darkroom]:
    """The page of that server."""
    opened = Darkroom(tab, running[1])
    opened.open()
    yield opened
    assert not opened.foreign_requests, f"asked other servers: {opened.foreign_requests}"
    assert not opened.script_errors, f"errors in scripts: {opened.script_errors}"


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "made" / "lora.safetensors", SHAPES)


def ask(page: Darkroom, site: Site) -> Locator:
    """Types the file's address into the Models tab and gives the newest row of the list."""
    page.show("models")
    page.page.locator("#download_wish").fill(site.url + FILE_PATH)
    page.page.locator("#download_start").click()
    return page.page.locator(".dk-download").first


def test_a_download_that_is_cut_resumes_and_finishes(page: Darkroom, site: Site, lora: Path, loras: Path) -> None:
    data = lora.read_bytes()
    offered(site, data, name="cut.safetensors")
    site.cut_after, site.whole, site.cuts = PART_BYTES // 2, 3, 10_000
    row = ask(page, site)
    expect(row).to_have_attribute("data-state", "failed", timeout=PATIENCE_MS)
    expect(row).to_contain_text("The connection was cut")
    expect(row).to_contain_text("What has come is kept")
    assert not list(loras.iterdir()), "nothing half-made has a name"
    before = len(site.asked)
    site.cuts = 2  # and two more on the way, after which nobody has to do anything
    row.get_by_role("button", name="Go on with cut.safetensors").click()
    expect(row).to_have_attribute("data-state", "done", timeout=PATIENCE_MS)
    assert (loras / "cut.safetensors").read_bytes() == data
    asked_again = {headers["Range"] for path, headers in site.asked[before:] if path == "/store/7"} - {"bytes=0-0"}
    assert 0 < len(asked_again) < -(-len(data) // PART_BYTES), "the parts that had come were asked for again"
    page.reload()
    page.show("models")
    expect(row).to_contain_text("here · lora")


def test_a_download_is_paused_goes_on_and_is_taken_off_the_list(page: Darkroom, site: Site, lora: Path, loras: Path) -> None:
    offered(site, lora.read_bytes(), name="paused.safetensors")
    site.cut_after, site.cuts = PART_BYTES // 2, 10_000
    row = ask(page, site)
    row.get_by_role("button", name=re.compile("^Pause")).click()
    expect(row).to_have_attribute("data-state", "paused")
    site.cuts = 0
    row.get_by_role("button", name=re.compile("^Go on")).click()
    expect(row).to_have_attribute("data-state", "done", timeout=PATIENCE_MS)
    row.get_by_role("button", name="Take paused.safetensors off this list").click()
    expect(page.page.locator(".dk-download", has_text="paused.safetensors")).to_have_count(0)
    assert (loras / "paused.safetensors").is_file()


def test_what_is_no_model_says_so(page: Darkroom, site: Site, loras: Path) -> None:
    offered(site, b"<html>Please sign in</html>" * 100, name="page.safetensors")
    row = ask(page, site)
    expect(row).to_have_attribute("data-state", "failed", timeout=PATIENCE_MS)
    expect(row).to_contain_text("no model file")
    assert not list(loras.iterdir())


def test_png_info_gets_a_missing_file(page: Darkroom, site: Site, lora: Path, loras: Path, tmp_path: Path) -> None:
    data, said = lora.read_bytes(), tensors_sha256_of(lora)[:12]
    offered(site, data, name="gone.safetensors")
    site.pages[f"/api/v1/model-versions/by-hash/{said}"] = version(site, data, name="gone.safetensors")
    text = PngInfo()
    settings = f'Steps: 4, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Lora hashes: "gone: {said}", Version: v1.10.1'
    text.add_text("parameters", f"a cat <lora:gone:1>\nNegative prompt: blurry\n{settings}")
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 64), "#336699").save(picture, pnginfo=text)
    page.show("pnginfo")
    page.page.locator("#pnginfo_file").set_input_files(picture)
    row = page.page.get_by_role("table", name="Files of the picture").get_by_role("row", name="LoRA")
    expect(row).to_contain_text("missing")
    row.get_by_role("button", name="Get it").click()
    expect(row).to_contain_text("here: gone.safetensors", timeout=PATIENCE_MS)
    expect(row.get_by_role("button")).to_have_count(0)
    assert (loras / "gone.safetensors").read_bytes() == data
