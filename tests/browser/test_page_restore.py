"""Real pictures of many programs, given to the page in every way a person has: their settings come back, or a sentence says why not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.metadata import encode_picture, params_from_infotext, read_picture
from app.schema.params import GenerationParams, view_of
from app.ui.parts.fields import element_id
from tests.browser.darkroom import Darkroom

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
INDEX: list[dict[str, Any]] = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
FILES = [entry["file"] for entry in INDEX]
HIDDEN = {"mode", "checkpoint", "init_images"}
GIVE = """([way, selector, name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const target = document.querySelector(selector);
  const event = way === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""


def give(darkroom: Darkroom, way: str, selector: str, data: bytes, name: str = "given.png") -> None:
    """Drops or pastes a file."""
    darkroom.page.evaluate(GIVE, [way, selector, name, "image/png", list(data)])


def made(infotext: str) -> bytes:
    """A small picture with this text."""
    return encode_picture(Image.new("RGB", (64, 48), "#4060a0"), infotext)


def plain(value: object) -> str:
    """A number as the page's boxes show it."""
    text = str(value)
    return text.removesuffix(".0") if isinstance(value, float) else text


def rows(darkroom: Darkroom) -> dict[str, str]:
    """What the table says is in the picture, by the schema's field."""
    found = darkroom.page.get_by_role("table", name="Settings of the picture").locator("tr:has(input[data-field])")
    told = found.evaluate_all("rows => rows.map(row => [row.querySelector('input').dataset.field, row.cells[2].textContent])")
    return dict(told)


def is_told(name: str, value: object) -> bool:
    """Whether a field has a row: rare ones that are as usual have none, and an empty text says nothing."""
    is_rare = view_of(name).section is None or name.startswith("hr_resize")
    return name not in HIDDEN and value != "" and not (is_rare and value == GenerationParams.model_fields[name].default)


def check_fields(darkroom: Darkroom, values: Mapping[str, object]) -> None:
    """Every setting stands in its control, as far as it has one in the page (folded parts have none until they are opened)."""
    checked = []
    for name, value in values.items():
        control = darkroom.page.locator(f"#{element_id('txt2img', name)}").locator("textarea, input:not([type=range])").first
        if name in HIDDEN or not control.count():
            continue
        checked.append(name)
        if isinstance(value, bool):
            expect(control).to_be_checked(checked=value)
        else:
            expect(control).to_have_value(plain(value))
    assert {"prompt", "seed", "steps"} <= {*checked}


@pytest.mark.parametrize("program", sorted({entry["program"] for entry in INDEX}))
def test_dropped_on_png_info_and_on_the_prompt_every_field_is_shown_and_taken(darkroom: Darkroom, program: str) -> None:
    for file in (file for file in FILES if file.split("/")[1] == program):
        data = (SAMPLES / file).read_bytes()
        record = read_picture(data)
        wanted = params_from_infotext(record.usable).values
        said = params_from_infotext(record.infotext).values
        darkroom.show("pnginfo")
        expect(darkroom.page.locator("dk-png-info .dk-drop")).to_be_visible()
        give(darkroom, "drop", "dk-png-info .dk-drop", data, Path(file).name)
        expect(darkroom.page.locator("#pnginfo_text")).to_have_text(record.infotext, use_inner_text=True)
        expect(darkroom.page.locator("#pnginfo_verdict")).to_contain_text("Partial")  # none of those checkpoints is here
        assert rows(darkroom) == {name: str(said.get(name, value)) for name, value in wanted.items() if is_told(name, value)}
        darkroom.page.locator("#pnginfo_send_to_txt2img").click()
        check_fields(darkroom, wanted)
        darkroom.page.locator("#txt2img_clear_prompt").click()
        expect(darkroom.field("prompt")).to_have_value("")
        darkroom.fill({"seed": "1", "steps": "1"})
        give(darkroom, "drop", "#txt2img_prompt textarea", data, Path(file).name)
        check_fields(darkroom, wanted)


def test_pasted_anywhere_it_fills_txt2img_or_is_shown_by_png_info(darkroom: Darkroom) -> None:
    data = made("a hill\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x48")
    give(darkroom, "paste", "#txt2img_steps", data)
    expect(darkroom.field("seed")).to_have_value("9")
    assert (darkroom.value("prompt"), darkroom.value("steps")) == ("a hill", "5")
    give(darkroom, "paste", "#txt2img_steps", made(""))
    expect(darkroom.notes()).to_contain_text("says nothing about how it was made")
    assert darkroom.value("prompt") == "a hill", "nothing is lost"
    darkroom.show("models")
    expect(darkroom.page.locator("#txt2img_steps")).to_be_hidden()
    give(darkroom, "paste", "body", data)
    expect(darkroom.page.locator("#pnginfo_text")).to_contain_text("a hill")


def test_another_programs_text_in_the_prompt_box_and_the_arrow(darkroom: Darkroom) -> None:
    graph = next(entry["file"] for entry in INDEX if entry["file"].endswith("/comfyui.png"))
    record = read_picture(SAMPLES / graph)
    assert record.recipe is not None
    darkroom.field("prompt").fill(record.recipe.raw)
    darkroom.page.locator("#txt2img_paste").click()
    expect(darkroom.field("seed")).to_have_value("422847914351919")
    assert darkroom.value("sampling") == "Euler a" and darkroom.value("scheduler") == "Karras"


def test_what_is_missing_can_be_looked_for(darkroom: Darkroom) -> None:
    text = "a cat <lora:pixel:0.7>\nSteps: 8, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x48, Model hash: 0123456789, Model: dreamer"
    darkroom.show("pnginfo")
    give(darkroom, "drop", "dk-png-info .dk-drop", made(f'{text}, Lora hashes: "pixel: dddc3a1c5d5c", Version: v1.10.1'))
    files = darkroom.page.get_by_role("table", name="Files of the picture")
    model = files.get_by_role("row", name="Checkpoint dreamer 0123456789 missing")
    link = model.get_by_role("link", name="Find it on Civitai")
    assert link.get_attribute("href") == "https://civitai.com/search/models?query=0123456789"
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    expect(files.get_by_role("row", name="LoRA pixel dddc3a1c5d5c missing").get_by_role("link")).to_have_count(2)
    verdict = darkroom.page.locator("#pnginfo_verdict")
    expect(verdict).to_contain_text("Checkpoint dreamer is not here.")
    expect(verdict).to_contain_text("LoRA pixel is not here.")


def test_fields_that_are_not_ticked_stay_as_they_are(darkroom: Darkroom) -> None:
    darkroom.fill({"seed": "77", "steps": "3"})
    darkroom.show("pnginfo")
    give(darkroom, "drop", "dk-png-info .dk-drop", made("a hill\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x48"))
    darkroom.page.get_by_role("checkbox", name="Take Seed").uncheck()
    darkroom.page.locator("#pnginfo_send_to_txt2img").click()
    expect(darkroom.field("prompt")).to_have_value("a hill")
    assert (darkroom.value("seed"), darkroom.value("steps")) == ("77", "5")


def test_reproduce_shows_both_pictures_and_that_they_are_equal(darkroom: Darkroom, server_data: Path) -> None:
    darkroom.fill({"prompt": "a red car", "steps": "3", "width": "64", "height": "64", "seed": "4"})
    darkroom.generate()
    darkroom.finish(1)
    saved = max((server_data / "outputs" / "txt2img-images").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(saved)
    expect(darkroom.page.locator("#pnginfo_verdict")).to_contain_text("Exact")
    darkroom.page.locator("#pnginfo_reproduce").click()
    difference = darkroom.page.locator("#pnginfo_difference")
    expect(difference).to_have_text("Both are equal in every pixel.", timeout=90_000)
    expect(darkroom.page.locator("#pnginfo_comparison img")).to_have_count(2)
    other = encode_picture(Image.open(saved).transpose(Image.Transpose.FLIP_LEFT_RIGHT), read_picture(saved).text)
    give(darkroom, "drop", "dk-png-info .dk-drop", other)
    expect(darkroom.page.locator("#pnginfo_text")).to_contain_text("Seed: 4")
    darkroom.page.locator("#pnginfo_reproduce").click()
    expect(difference).to_contain_text("of the pixels differ", timeout=90_000)
    expect(darkroom.page.locator("#pnginfo_comparison canvas")).to_have_count(1)


def test_an_address_of_this_machine_is_refused_with_a_sentence(darkroom: Darkroom) -> None:
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_address").fill(f"{darkroom.url}/static-darkroom/icons/darkroom.svg")
    darkroom.page.get_by_role("button", name="Fetch").click()
    expect(darkroom.page.locator("dk-png-info .dk-plain-note").first).to_contain_text("from the usual ports of http and https only")


def test_a_text_that_stood_beside_a_picture(darkroom: Darkroom, tmp_path: Path) -> None:
    file = tmp_path / "beside.txt"
    file.write_text("a hill\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x48", encoding="utf-8")
    darkroom.show("pnginfo")
    darkroom.page.locator("#pnginfo_file").set_input_files(file)
    expect(darkroom.page.locator("#pnginfo_text")).to_contain_text("a hill")
    expect(darkroom.page.locator("#pnginfo_send_to_img2img")).to_be_disabled()
    darkroom.page.locator("#pnginfo_send_to_txt2img").click()
    expect(darkroom.field("seed")).to_have_value("9")


def test_a_copy_without_settings_of_a_dropped_picture(darkroom: Darkroom) -> None:
    data = made("a hill\nSteps: 5, Sampler: Euler, CFG scale: 2, Seed: 9, Size: 64x48")
    darkroom.show("pnginfo")
    give(darkroom, "drop", "dk-png-info .dk-drop", data, "hill.png")
    expect(darkroom.page.locator("#pnginfo_stripped")).to_be_enabled()
    with darkroom.page.expect_download() as waiting:
        darkroom.page.locator("#pnginfo_stripped").click()
    assert waiting.value.suggested_filename == "hill.png"
    bare = Path(waiting.value.path()).read_bytes()
    assert read_picture(bare).text == "" and len(bare) < len(data)


def test_the_result_can_be_saved_and_shared_without_its_settings(darkroom: Darkroom, server_data: Path) -> None:
    darkroom.fill({"prompt": "a blue bird", "steps": "2", "width": "64", "height": "64", "seed": "8"})
    darkroom.generate()
    darkroom.finish(1)
    darkroom.page.locator("#save_txt2img").click()
    expect(darkroom.notes()).to_contain_text("Saved as log/images/")
    copy = next((server_data / "log" / "images").glob("*-8.png"))
    assert copy.read_bytes() == darkroom.picture_bytes()
    assert "a blue bird" in (server_data / "log" / "images" / "log.csv").read_text(encoding="utf-8")
    with darkroom.page.expect_download() as waiting:
        darkroom.page.locator("#txt2img_stripped").click()
    assert read_picture(Path(waiting.value.path())).items == {} and waiting.value.suggested_filename.endswith("-8.png")
