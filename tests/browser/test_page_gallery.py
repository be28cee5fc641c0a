"""The Gallery tab with real files: search, filters, keys, marks, comparing, trash and back, archives, a phone."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from app.metadata import encode_picture, read_picture
from tests.browser.darkroom import PATIENCE_MS, Darkroom

COUNT = 300
BEGAN_S = 1_760_000_000
"""When the first of the test's pictures was made, each a second after the one before."""


@pytest.fixture(scope="module")
def pictures(server_data: Path, server_url: str) -> Iterator[Path]:
    """Three hundred pictures, put into the outputs folder while the server runs."""
    folder = server_data / "outputs" / "gallery-test"
    folder.mkdir(parents=True)
    for number in range(COUNT):
        kind, model = ("red fox" if number % 3 == 0 else "blue house"), ("pocket" if number % 2 else "other")
        line = f"Steps: 4, Sampler: Euler a, CFG scale: 5.0, Seed: {5000 + number}, Size: 32x32, Model: {model}"
        pixels = np.full((32, 32, 3), (number % 256, 90, 255 - number % 256), np.uint8)
        file = folder / f"{number:05}-{5000 + number}.png"
        file.write_bytes(encode_picture(pixels, f"gallerytest a {kind}\n{line}"))
        os.utime(file, (BEGAN_S + number, BEGAN_S + number))  # a file system's clock ticks too seldom to keep them apart
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def gallery(darkroom: Darkroom, pictures: Path) -> Darkroom:
    """The tab, with the test's pictures found."""
    darkroom.show("gallery")
    search(darkroom, "gallerytest")
    expect(darkroom.page.locator("#gallery_status")).to_contain_text(f"{COUNT} of", timeout=PATIENCE_MS)
    return darkroom


def search(darkroom: Darkroom, text: str) -> None:
    darkroom.page.locator("#gallery_search").fill(text)


def tiles(darkroom: Darkroom):
    return darkroom.page.locator(".dk-wall-tile")


def chosen(darkroom: Darkroom):
    return darkroom.page.locator(".dk-wall-tile[aria-selected=true]")


def status(darkroom: Darkroom, text: str) -> None:
    expect(darkroom.page.locator("#gallery_status")).to_contain_text(text, timeout=PATIENCE_MS)


def test_searching_and_filtering(gallery: Darkroom) -> None:
    search(gallery, "gallerytest fox")
    status(gallery, f"{COUNT // 3} of")
    gallery.page.locator("#gallery_model").select_option("other")
    status(gallery, "50 of")
    search(gallery, "gallerytest -fox")
    status(gallery, "100 of")
    gallery.page.locator("#gallery_clear").click()
    gallery.page.locator("#gallery_seed").fill("5007")
    expect(tiles(gallery)).to_have_count(1, timeout=PATIENCE_MS)
    status(gallery, "1 of")
    tiles(gallery).first.click()
    expect(gallery.page.locator("#gallery_infotext")).to_contain_text("Seed: 5007,", timeout=PATIENCE_MS)
    search(gallery, "nothing is called this")
    expect(gallery.page.locator(".dk-gallery-empty")).to_have_text("No picture fits.")


def test_only_what_is_in_sight_is_in_the_page(gallery: Darkroom) -> None:
    assert tiles(gallery).count() < 80
    gallery.page.locator("#gallery_grid").focus()
    for _ in range(100):  # more is asked for near the end of what is there
        gallery.page.keyboard.press("End")
        gallery.page.wait_for_timeout(300)
        if chosen(gallery).get_attribute("aria-posinset") == str(COUNT):
            break
    expect(chosen(gallery)).to_have_attribute("aria-posinset", str(COUNT))
    expect(gallery.page.locator("#gallery_infotext")).to_contain_text("Seed: 5000,")  # the oldest
    assert tiles(gallery).count() < 80


def test_the_keyboard_alone(gallery: Darkroom) -> None:
    page = gallery.page
    page.locator("#gallery_grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(chosen(gallery)).to_have_attribute("aria-posinset", "2")
    page.keyboard.press("4")
    page.keyboard.press("f")
    expect(chosen(gallery).locator(".dk-wall-stars")).to_have_text("★★★★")
    expect(chosen(gallery).locator(".dk-wall-heart")).to_be_visible()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#gallery_count")).to_have_text("2 pictures chosen")
    page.keyboard.press("c")
    expect(page.locator("#gallery_compare_window")).to_be_visible()
    expect(page.locator("#gallery_pixels")).to_contain_text("of the pixels differ")
    expect(page.locator("#gallery_compare_window .dk-differs").filter(has_text="Seed")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("#gallery_grid").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".dk-lightbox[open]")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.locator("#gallery_grid").focus()
    page.keyboard.press("/")
    expect(page.locator("#gallery_search")).to_be_focused()
    page.locator("#gallery_favourites").click()
    status(gallery, "1 of")
    tiles(gallery).first.click()
    page.keyboard.press("f")
    page.locator("#gallery_favourites").click()


def test_tags_and_albums(gallery: Darkroom) -> None:
    page = gallery.page
    search(gallery, "name:00012")
    status(gallery, "1 of")
    tiles(gallery).first.click()
    page.locator("#gallery_add_tag").fill("best <b>of</b> all")
    page.keyboard.press("Enter")
    expect(page.locator(".dk-chip")).to_contain_text("best <b>of</b> all")
    expect(page.locator("#gallery_add_tag")).to_be_focused()
    page.locator("#gallery_add_album").fill("Summer")
    page.keyboard.press("Enter")
    expect(page.locator(".dk-chip")).to_have_count(2)
    search(gallery, "gallerytest")
    status(gallery, f"{COUNT} of")
    page.locator("#gallery_album").select_option("Summer")
    status(gallery, "1 of")
    tiles(gallery).first.click()
    page.get_by_role("button", name="Remove Summer").click()
    expect(page.locator(".dk-chip")).to_have_count(1)


def test_trash_and_restore(gallery: Darkroom, pictures: Path) -> None:
    page, file = gallery.page, pictures / "00040-5040.png"
    search(gallery, "name:00040")
    status(gallery, "1 of")
    tiles(gallery).first.click()
    page.keyboard.press("Delete")
    expect(gallery.notes()).to_contain_text("1 picture put into the trash")
    expect(tiles(gallery)).to_have_count(0)
    assert not file.exists()
    page.locator("#gallery_open_trash").click()
    page.locator(".dk-trash-entry").filter(has_text="00040-5040").get_by_role("button", name="Restore").click()
    expect(page.locator(".dk-trash-entry").filter(has_text="00040-5040")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(tiles(gallery)).to_have_count(1)
    assert file.exists()


def test_an_archive_of_what_is_chosen(gallery: Darkroom, tmp_path: Path) -> None:
    page = gallery.page
    tiles(gallery).nth(0).click()
    tiles(gallery).nth(2).click(modifiers=["Shift"])
    for button, texts in (("#gallery_zip", 3), ("#gallery_zip_strip", 0)):
        with page.expect_download() as told:
            page.locator(button).click()
        told.value.save_as(tmp_path / "pictures.zip")
        with zipfile.ZipFile(tmp_path / "pictures.zip") as archive:
            read = [read_picture(archive.read(name)).text for name in archive.namelist()]
        assert len(read) == 3 and sum(bool(text) for text in read) == texts
        assert told.value.suggested_filename.endswith(".zip")


def test_a_stripped_copy(gallery: Darkroom, tmp_path: Path) -> None:
    tiles(gallery).first.click()
    with gallery.page.expect_download() as told:
        gallery.page.locator("#gallery_shield").click()
    told.value.save_as(tmp_path / "bare.png")
    assert read_picture((tmp_path / "bare.png").read_bytes()).text == ""


def test_sending_a_picture_to_txt2img(gallery: Darkroom) -> None:
    search(gallery, "name:00021")
    status(gallery, "1 of")
    tiles(gallery).first.click()
    gallery.page.locator("#gallery_send_to_txt2img").click()
    expect(gallery.field("seed")).to_have_value("5021", timeout=PATIENCE_MS)
    expect(gallery.field("prompt")).to_have_value("gallerytest a red fox")


def test_a_new_file_appears_and_a_deleted_one_goes(gallery: Darkroom, pictures: Path) -> None:
    status(gallery, f"{COUNT} of")
    extra = pictures / "extra.png"
    shutil.copy(pictures / "00001-5001.png", extra)
    status(gallery, f"{COUNT + 1} of")
    extra.unlink()
    status(gallery, f"{COUNT} of")


def test_a_folder_that_is_not_there_is_told(gallery: Darkroom) -> None:
    gallery.page.locator("#gallery_folders").click()
    gallery.page.locator("#gallery_folder").fill("/no/such/folder")
    gallery.page.locator("#gallery_folder_add").click()
    expect(gallery.notes()).to_contain_text("There is no folder")
    gallery.page.keyboard.press("Escape")


def test_on_a_phone(browser: Browser, server_url: str, pictures: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened = Darkroom(context.new_page(), server_url)
    opened.open()
    page = opened.page
    opened.show("gallery")
    search(opened, "gallerytest")
    status(opened, f"{COUNT} of")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tiles(opened).nth(1).tap()
    expect(page.locator("#gallery_details")).to_be_visible()
    expect(page.locator("#gallery_infotext")).to_contain_text("Seed: ")
    page.locator("#gallery_close").tap()
    expect(page.locator("#gallery_details")).to_be_hidden()
    page.locator("#gallery_pick").tap()
    tiles(opened).nth(0).tap()
    page.locator("#gallery_close").tap()
    tiles(opened).nth(2).tap()
    expect(page.locator("#gallery_count")).to_contain_text("pictures chosen")
    page.locator("#gallery_close").tap()
    page.locator("#gallery_filter_toggle").tap()
    expect(page.locator("#gallery_model")).to_be_visible()
    assert not opened.script_errors
    context.close()
