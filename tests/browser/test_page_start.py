"""The ways to a start of img2img and from its results: sent, dropped, taken up again, held against each other, enlarged."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.canvas import Canvas, a_picture, pixels
from tests.browser.darkroom import PATIENCE_MS, Darkroom

DROP = """async ([selector, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: 'image/png' }));
  document.querySelector(selector).dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, selector: str, name: str, data: bytes) -> None:
    """Drops a file on an element."""
    page.evaluate(DROP, [selector, name, base64.b64encode(data).decode()])


@pytest.fixture
def made(darkroom: Darkroom) -> bytes:
    """A picture of txt2img, shown there; its file."""
    darkroom.fill({"prompt": "a green leaf", "steps": "2", "seed": "21", "width": "136", "height": "120"})
    darkroom.generate()
    darkroom.finish(1)
    return darkroom.picture_bytes()


def test_results_are_sent_to_inpaint_and_extras(darkroom: Darkroom, made: bytes) -> None:
    darkroom.page.locator("#txt2img_send_to_inpaint").click()
    canvas = darkroom.page.locator("#img2img_canvas canvas").first
    expect(canvas).to_be_visible(timeout=PATIENCE_MS)
    expect(darkroom.page.locator("#img2img_inpaint_tab")).to_have_attribute("aria-selected", "true")
    expect(darkroom.field("prompt", "img2img")).to_have_value("a green leaf")
    darkroom.show("txt2img")
    darkroom.page.locator("#txt2img_send_to_extras").click()
    expect(darkroom.page.locator("dk-extras .dk-drop img")).to_be_visible(timeout=PATIENCE_MS)
    opened = Canvas(darkroom)
    opened.stroke((0.5, 0.5))
    [image], mask = opened.sent()
    assert np.array_equal(image, pixels(made))
    assert mask is not None and mask.shape == (120, 136)


def test_gallery_and_png_info_send_to_inpaint(darkroom: Darkroom, made: bytes, tmp_path: Path) -> None:
    darkroom.show("pnginfo")
    (tmp_path / "made.png").write_bytes(made)
    darkroom.page.locator("#pnginfo_file").set_input_files(tmp_path / "made.png")
    darkroom.page.locator("#pnginfo_send_to_inpaint").click()
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("136 × 120", timeout=PATIENCE_MS)
    darkroom.page.locator("#img2img_remove").click()
    darkroom.page.locator("#img2img_img2img_tab").click()
    darkroom.show("gallery")
    darkroom.page.locator(".dk-wall [role=option]").first.click()
    darkroom.page.locator("#gallery_send_to_inpaint").click()
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("136 × 120", timeout=PATIENCE_MS)
    expect(darkroom.page.locator("#img2img_inpaint_tab")).to_have_attribute("aria-selected", "true")


def test_dropped_picture_offers_its_settings(darkroom: Darkroom, made: bytes, tmp_path: Path) -> None:
    canvas = Canvas(darkroom)
    a_picture(tmp_path / "plain.png")
    canvas.start_with(tmp_path / "plain.png")
    offer = darkroom.page.locator("#img2img_offer")
    expect(offer).to_be_hidden()
    darkroom.fill({"prompt": "a boat"}, "img2img")
    drop(darkroom.page, "#img2img_canvas", "made.png", made)
    expect(offer).to_be_visible(timeout=PATIENCE_MS)
    expect(darkroom.field("prompt", "img2img")).to_have_value("a boat")
    darkroom.page.locator("#img2img_use_settings").click()
    expect(darkroom.field("prompt", "img2img")).to_have_value("a green leaf")
    expect(darkroom.field("seed", "img2img")).to_have_value("21")
    expect(offer).to_be_hidden()
    drop(darkroom.page, "#img2img_canvas", "letter.png", b"Dear reader")
    expect(darkroom.notes()).to_contain_text("no picture")
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("136 × 120", timeout=PATIENCE_MS)


def test_result_becomes_the_next_start_and_is_compared(darkroom: Darkroom, tmp_path: Path) -> None:
    start = a_picture(tmp_path / "start.png", (128, 128))
    canvas = Canvas(darkroom)
    canvas.start_with(tmp_path / "start.png")
    darkroom.fill({"prompt": "a boat", "steps": "2", "denoising_strength": "0.5"}, "img2img")
    darkroom.generate("img2img")
    darkroom.finish(1, "img2img")
    darkroom.page.locator("#img2img_before_after").click()
    before = darkroom.page.locator("#img2img_results .dk-before")
    expect(before).to_be_visible(timeout=PATIENCE_MS)
    address = before.get_attribute("src")
    assert address is not None
    assert np.array_equal(pixels(darkroom.page.request.get(address).body()), start)
    line = darkroom.page.locator("#img2img_results .dk-split input")
    shown = before.evaluate("(node) => getComputedStyle(node).clipPath")
    line.fill("900")
    assert before.evaluate("(node) => getComputedStyle(node).clipPath") != shown
    darkroom.page.locator("#img2img_before_after").click()
    expect(before).to_be_hidden()
    result = pixels(darkroom.picture_bytes("img2img"))
    darkroom.page.locator("#img2img_send_to_img2img").click()
    darkroom.page.wait_for_function("(id) => document.querySelector('dk-input-picture').value.id !== id", arg=address.split("/")[-1])
    [image], _ = canvas.sent()
    assert np.array_equal(image, result)
    assert darkroom.value("seed", "img2img") == "-1", "fields stay as they are"


def test_upscale_runs_the_hires_pass_of_that_picture(darkroom: Darkroom, made: bytes) -> None:
    darkroom.fill({"prompt": "something else", "seed": "5", "width": "128"})
    darkroom.page.locator("#txt2img_upscale").click()
    darkroom.finish(2)
    larger = pixels(darkroom.picture_bytes())
    assert larger.shape == (240, 272, 3)
    told = darkroom.infotext()
    assert told.startswith("a green leaf") and "Seed: 21" in told and re.search(r"Size: 136x120\b", told) and "Hires upscale: 2" in told
    assert darkroom.value("prompt") == "something else"
    job = darkroom.page.request.get(f"{darkroom.url}api/v1/jobs?limit=1").json()[0]
    [start] = job["params"]["init_images"]
    assert np.array_equal(pixels(darkroom.page.request.get(f"{darkroom.url}api/v1/inputs/{start}").body()), pixels(made))
    darkroom.page.locator("#txt2img_send_to_img2img").click()
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("272 × 240", timeout=PATIENCE_MS)
    expect(darkroom.field("seed", "img2img")).to_have_value("21")
    expect(darkroom.field("width", "img2img")).to_have_value("272")  # the picture's own, not that of its first pass
