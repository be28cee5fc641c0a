"""A saved picture dropped into PNG Info gives every setting back, and the same pixels when it is made again."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from app.metadata import read_picture
from app.models import EMBEDDED
from tests.browser.darkroom import Darkroom

SETTINGS = {
    "prompt": "a red car, (white background:1.2)",
    "neg_prompt": "blurry,\nsecond line",
    "sampling": "Euler a",
    "scheduler": "Karras",
    "steps": "9",
    "cfg_scale": "6.5",
    "width": "136",
    "height": "120",
    "seed": "4294967290",
}
OTHERS = {
    "prompt": "something else",
    "neg_prompt": "",
    "sampling": "DDIM",
    "scheduler": "Normal",
    "steps": "30",
    "cfg_scale": "3",
    "width": "128",
    "height": "128",
    "seed": "-1",
}


@pytest.fixture
def saved(darkroom: Darkroom, server_data: Path) -> Path:
    """The file of a picture that was just made with SETTINGS; the page's fields hold OTHERS by then."""
    darkroom.fill(SETTINGS)
    darkroom.generate()
    darkroom.finish(1)
    darkroom.fill(OTHERS)
    return max((server_data / "outputs" / "txt2img-images").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)


def fields(darkroom: Darkroom, tab: str = "txt2img") -> dict[str, str]:
    """What the fields of SETTINGS hold."""
    return {name: darkroom.value(name, tab) for name in SETTINGS}


def pixels(data: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """(height, width, 3) uint8."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_every_setting_comes_back_and_makes_the_same_picture(darkroom: Darkroom, saved: Path) -> None:
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(saved)
    text = darkroom.page.locator("#pnginfo_text")
    expect(text).to_contain_text("Seed: 4294967290")
    assert text.inner_text() == read_picture(saved).text, "the file's own text, from its own bytes"
    table = darkroom.page.get_by_role("table", name="Settings of the picture")
    expect(table.get_by_role("row", name="Take Sampling method Sampling method Euler a")).to_be_visible()
    files = darkroom.page.get_by_role("table", name="Files of the picture")
    expect(files.get_by_role("row", name="Checkpoint")).to_contain_text(f"{EMBEDDED}.safetensors")
    darkroom.page.locator("#pnginfo_send_to_txt2img").click()
    expect(darkroom.field("seed")).to_have_value(SETTINGS["seed"])
    assert fields(darkroom) == SETTINGS
    expect(darkroom.page.locator("#txt2img_exact input")).to_be_checked()
    first = pixels(saved.read_bytes())
    darkroom.generate()
    darkroom.finish(2)
    assert f"Seed: {SETTINGS['seed']}," in darkroom.infotext()
    assert np.array_equal(pixels(darkroom.picture_bytes()), first)


def test_infotext_in_the_prompt_box_is_read_into_the_fields(darkroom: Darkroom, saved: Path) -> None:
    darkroom.field("prompt").fill(read_picture(saved).text)
    darkroom.page.locator("#txt2img_paste").click()
    expect(darkroom.field("seed")).to_have_value(SETTINGS["seed"])
    assert fields(darkroom) == SETTINGS


def test_picture_goes_from_gallery_to_the_other_tabs(darkroom: Darkroom, saved: Path) -> None:
    darkroom.page.locator("#txt2img_send_to_pnginfo").click()
    expect(darkroom.page.locator("#pnginfo_text")).to_have_text(read_picture(saved).text, use_inner_text=True)
    darkroom.page.locator("#pnginfo_send_to_img2img").click()
    expect(darkroom.field("seed", "img2img")).to_have_value(SETTINGS["seed"])
    expect(darkroom.page.locator("#img2img_token_counter")).not_to_contain_text("0/75")
    assert fields(darkroom, "img2img") == SETTINGS
    expect(darkroom.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("136 × 120")
    darkroom.show("txt2img")
    darkroom.page.locator("#txt2img_send_to_txt2img").click()
    expect(darkroom.field("seed")).to_have_value(SETTINGS["seed"])
    assert fields(darkroom) == SETTINGS


def test_missing_checkpoint_is_named(darkroom: Darkroom) -> None:
    text = "a cat\nSteps: 8, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128, Model hash: 0123456789, Model: dreamer"
    darkroom.field("prompt").fill(text)
    darkroom.page.locator("#txt2img_paste").click()
    expect(darkroom.notes()).to_contain_text("made with the checkpoint dreamer [0123456789], which is not here")
    expect(darkroom.field("prompt")).to_have_value("a cat")


def test_values_beyond_the_sliders_reach_are_kept(darkroom: Darkroom) -> None:
    text = "a cat\nSteps: 200, Sampler: Euler, CFG scale: 4.3, Seed: 18446744073709551615, Size: 40x24"
    darkroom.field("prompt").fill(text)
    darkroom.page.locator("#txt2img_paste").click()
    expect(darkroom.field("seed")).to_have_value("18446744073709551615")
    assert [darkroom.value(name) for name in ("steps", "cfg_scale", "width", "height")] == ["200", "4.3", "40", "24"]


def test_settings_without_a_control_are_shown_as_overrides_and_act(darkroom: Darkroom) -> None:
    text = "a cat\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 3, Size: 64x64, ENSD: 31337, Eta: 0.5"
    darkroom.field("prompt").fill(text)
    darkroom.page.locator("#txt2img_paste").click()
    overrides = darkroom.page.locator("#txt2img_override_settings")
    expect(overrides).to_contain_text("ENSD: 31337")
    expect(overrides).to_contain_text("Eta: 0.5")
    darkroom.reload()
    expect(overrides).to_contain_text("ENSD: 31337")
    darkroom.generate()
    darkroom.finish(1)
    assert "ENSD: 31337" in darkroom.infotext() and "Eta: 0.5" in darkroom.infotext()


@pytest.mark.parametrize("name", ["no picture.png", "cut.png", "empty.png"])
def test_what_is_no_picture_becomes_a_plain_note(darkroom: Darkroom, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes({"no picture.png": b"Dear reader, this is a letter.", "cut.png": png(text="x")[:60], "empty.png": b""}[name])
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(file)
    note = darkroom.page.locator("dk-png-info .dk-plain-note")
    wanted = {"no picture.png": "This is no picture", "cut.png": "cut off", "empty.png": "The file is empty."}[name]
    expect(note).to_contain_text(wanted)
    expect(darkroom.page.locator("#pnginfo_send_to_txt2img")).to_be_hidden()


def test_picture_without_settings_says_so_and_can_still_be_a_start(darkroom: Darkroom, tmp_path: Path) -> None:
    file = tmp_path / "plain.png"
    file.write_bytes(png())
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(file)
    expect(darkroom.page.locator("dk-png-info .dk-plain-note")).to_contain_text("says nothing about how it was made")
    expect(darkroom.page.locator("#pnginfo_send_to_txt2img")).to_be_disabled()
    expect(darkroom.page.locator("#pnginfo_send_to_img2img")).to_be_enabled()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_picture_can_be_dropped_and_pasted(darkroom: Darkroom, way: str) -> None:
    darkroom.show("pnginfo")
    expect(darkroom.page.locator("dk-png-info")).to_be_visible()
    darkroom.page.evaluate(
        """([way, bytes]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "given.png", { type: "image/png" }));
          const target = way === "drop" ? document.querySelector("dk-png-info .dk-drop") : document;
          const event = way === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
          target.dispatchEvent(event);
        }""",
        [way, list(png(text="a hill\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x64"))],
    )
    expect(darkroom.page.locator("#pnginfo_text")).to_contain_text("a hill")


def test_markup_in_a_picture_stays_text(darkroom: Darkroom, tmp_path: Path) -> None:
    file = tmp_path / "markup.png"
    evil = "<img src=x onerror=\"document.title='taken'\">"
    file.write_bytes(png(text=f"{evil}\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x64, Model: {evil}"))
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(file)
    expect(darkroom.page.locator("#pnginfo_text")).to_contain_text(json.dumps(evil)[1:8].replace("\\", ""))
    darkroom.page.locator("#pnginfo_send_to_txt2img").click()
    expect(darkroom.field("prompt")).to_have_value(evil)
    darkroom.page.wait_for_timeout(300)
    assert darkroom.page.title() == "Darkroom"


def png(text: str | None = None) -> bytes:
    """A small picture, with an infotext if one is given."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if text is not None:
        info.add_text("parameters", text)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "#4060a0").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
