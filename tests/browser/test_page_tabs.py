"""img2img, Models and Settings, as far as the page goes."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from app.models import EMBEDDED
from tests.browser.darkroom import PATIENCE_MS, Darkroom


def test_img2img_makes_a_picture_from_a_picture(darkroom: Darkroom, tmp_path: Path) -> None:
    file = tmp_path / "start.png"
    Image.new("RGB", (120, 136), "#c02020").save(file)
    darkroom.show("img2img")
    darkroom.page.locator("#img2img_file").set_input_files(file)
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("120 × 136")
    darkroom.page.locator("#img2img_detect_image_size_btn").click()
    expect(darkroom.field("width", "img2img")).to_have_value("120")
    expect(darkroom.field("height", "img2img")).to_have_value("136")
    darkroom.fill({"steps": "4", "denoising_strength": "0.5", "seed": "11"}, "img2img")
    darkroom.generate("img2img")
    darkroom.finish(1, "img2img")
    assert "Denoising strength: 0.5" in darkroom.infotext("img2img")
    with Image.open(io.BytesIO(darkroom.picture_bytes("img2img"))) as made:
        assert made.size == (120, 136)


def test_img2img_without_a_picture_says_what_to_do(darkroom: Darkroom) -> None:
    darkroom.show("img2img")
    darkroom.generate("img2img")
    expect(darkroom.notes()).to_contain_text("img2img needs a picture to start from")


def test_input_that_is_no_picture_becomes_a_note(darkroom: Darkroom, tmp_path: Path) -> None:
    file = tmp_path / "letter.png"
    file.write_text("Dear reader")
    darkroom.show("img2img")
    darkroom.page.locator("#img2img_file").set_input_files(file)
    expect(darkroom.notes()).to_contain_text("no picture")
    expect(darkroom.page.locator("#img2img_canvas")).to_be_hidden()


def card(darkroom: Darkroom, file: str) -> Locator:
    """One model file of the Models tab."""
    return darkroom.page.locator(f'dk-models .dk-mc[data-file="{file}"]')


def use(darkroom: Darkroom, file: str) -> None:
    """Chooses a checkpoint on its page."""
    card(darkroom, file).get_by_role("button", name="About").first.click()
    darkroom.page.locator("#model_use").click()
    expect(darkroom.page.locator("#model_use")).to_have_text("In use")
    darkroom.page.locator("#model_page").get_by_role("button", name="Close").click()


@pytest.fixture
def second_checkpoint(server_url: str, server_data: Path, tiny_store: Path) -> Iterator[str]:
    """A further checkpoint, put into the folder while the server runs; its file name."""
    source = next(tiny_store.rglob("tiny-a.safetensors"))
    target = server_data / "models" / "Stable-diffusion" / "added" / source.name
    target.parent.mkdir()
    target.write_bytes(source.read_bytes())
    yield f"added/{source.name}"
    target.unlink()
    target.parent.rmdir()
    post(f"{server_url}api/v1/models/refresh", {})
    post(f"{server_url}sdapi/v1/options", {"sd_model_checkpoint": f"{EMBEDDED}.safetensors"})


def post(url: str, body: object) -> None:
    """One request of a program; fails for an answer that is none of success."""
    with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=30) as answer:
        assert answer.status < 300


def test_models_tab_tells_of_every_file(darkroom: Darkroom) -> None:
    darkroom.show("models")
    bad = card(darkroom, "letter.safetensors")
    expect(bad).to_contain_text("it is a text file")
    card(darkroom, f"{EMBEDDED}.safetensors").get_by_role("button", name="About").first.click()
    pocket = darkroom.page.locator("#model_page")
    expect(pocket).to_contain_text("Stable Diffusion 1")
    expect(pocket).to_contain_text("62.5 MB")
    expect(pocket).to_contain_text("comes with Darkroom")
    expect(pocket).to_contain_text(re.compile(r"It draws about 1\d{3} things, such as "))
    expect(pocket).to_contain_text("128 × 128")
    pocket.get_by_text("Hashes", exact=True).click()
    pocket.locator("#model_hashes").click()
    expect(pocket.locator(".dk-hash-blake3")).to_have_text(re.compile(r"[0-9a-f]{64}"), timeout=PATIENCE_MS)
    expect(pocket.locator(".dk-hash-autov2")).to_have_text(re.compile(r"[0-9a-f]{10}"))
    expect(pocket.locator(".dk-hash-sha256")).to_have_text(re.compile(r"[0-9a-f]{64}"), timeout=PATIENCE_MS)
    expect(pocket.locator("#model_use")).to_have_text("In use")
    pocket.get_by_role("button", name="Close").click()
    bad.get_by_role("button", name="About").first.click()
    expect(pocket).to_contain_text("it is a text file")
    expect(pocket.locator("#model_use")).to_have_count(0)


def test_new_checkpoint_is_found_and_chosen(darkroom: Darkroom, second_checkpoint: str) -> None:
    chosen = darkroom.page.locator("#setting_sd_model_checkpoint input")
    darkroom.show("models")
    darkroom.page.locator("#models_refresh").click()
    use(darkroom, second_checkpoint)
    expect(chosen).to_have_value(re.compile(re.escape(second_checkpoint)))
    expect(card(darkroom, second_checkpoint)).to_contain_text("in use")
    darkroom.show("txt2img")
    expect(darkroom.field("width")).to_have_value("64")  # its native size
    darkroom.fill({"width": "72", "steps": "1"})
    darkroom.generate()
    darkroom.finish(1)
    assert f"Model: {Path(second_checkpoint).stem}" in darkroom.infotext()
    darkroom.show("models")
    use(darkroom, f"{EMBEDDED}.safetensors")
    expect(chosen).to_have_value(re.compile("pocket-emoji"))
    darkroom.show("txt2img")
    assert darkroom.value("width") == "72", "a size that somebody chose stays"


def test_settings_are_found_by_their_words_and_by_a1111s_names(darkroom: Darkroom) -> None:
    darkroom.show("settings")
    page = darkroom.page
    search, shown = page.locator("#settings_search"), page.locator("#tab_settings [id^=option_]:visible")
    everything = shown.count()
    for words, option in (
        ("quality jpeg", "jpeg_quality"),
        ("samples_filename_pattern", "samples_filename_pattern"),
        ("eta DDIM", "eta_ddim"),
    ):
        search.fill(words)
        expect(shown).to_have_count(1)
        expect(shown).to_have_attribute("id", f"option_{option}")
    search.fill("token merging")
    expect(shown).to_have_count(3)
    search.fill("xyzzy")
    expect(page.get_by_text("No setting fits.")).to_be_visible()
    search.fill("")
    expect(shown).to_have_count(everything)
    page.locator("#option_uni_pc_order").scroll_into_view_if_needed()
    expect(page.locator("#settings_submit")).to_be_in_viewport()


def test_settings_are_applied_and_kept(darkroom: Darkroom) -> None:
    darkroom.show("settings")
    switch = darkroom.page.get_by_label("Write the program's version")
    expect(switch).to_be_checked()
    switch.uncheck()
    darkroom.page.locator("#settings_submit").click()
    expect(darkroom.notes()).to_contain_text("Settings applied; 1 changed.")
    darkroom.reload()
    darkroom.fill({"steps": "1"})
    darkroom.generate()
    darkroom.finish(1)
    assert "Version:" not in darkroom.infotext()
    darkroom.show("settings")
    expect(switch).not_to_be_checked()
    switch.check()
    darkroom.page.locator("#settings_submit").click()
    expect(darkroom.notes()).to_contain_text("Settings applied; 1 changed.")


def test_wrong_setting_is_refused_with_its_reason(darkroom: Darkroom) -> None:
    darkroom.show("settings")
    darkroom.page.get_by_label("Colour behind transparent input pictures").fill("red")
    darkroom.page.locator("#settings_submit").click()
    expect(darkroom.notes()).to_contain_text("img2img_background_color")


def test_clip_skip_appears_when_it_is_a_quick_setting(darkroom: Darkroom) -> None:
    skip = darkroom.page.locator("#setting_CLIP_stop_at_last_layers")
    expect(skip).to_be_hidden()
    darkroom.show("settings")
    quick = darkroom.page.locator("#option_quicksettings_list").get_by_label("Clip skip")
    quick.check()
    darkroom.page.locator("#settings_submit").click()
    expect(skip).to_be_visible()
    skip.locator("input[type=number]").fill("2")
    skip.locator("input[type=number]").blur()
    darkroom.show("txt2img")
    darkroom.fill({"steps": "1"})
    darkroom.generate()
    darkroom.finish(1)
    assert "Clip skip: 2" in darkroom.infotext()
    darkroom.show("settings")
    quick.uncheck()
    darkroom.page.locator("#settings_submit").click()
    expect(skip).to_be_hidden()
