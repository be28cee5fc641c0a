"""The dialog that edits styles.csv."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from app.prompt import Style, Styles
from tests.browser.darkroom import PATIENCE_MS, Darkroom


@pytest.fixture
def styles(server_data: Path) -> Iterator[Styles]:
    """The server's styles, of which there is one."""
    (server_data / "styles.csv").write_text('name,prompt,negative_prompt\nshiny,"{prompt}, very shiny",dull\n')
    yield Styles(server_data / "styles.csv")
    (server_data / "styles.csv").unlink()


def part(darkroom: Darkroom, name: str) -> Locator:
    return darkroom.page.locator(f"#txt2img_{name}")


def test_a_style_is_made_changed_and_deleted(darkroom: Darkroom, styles: Styles) -> None:
    expect(part(darkroom, "styles_dialog")).to_be_hidden()
    part(darkroom, "style_create").click()
    expect(part(darkroom, "styles_dialog")).to_be_visible()
    name = part(darkroom, "styles_edit_select").locator("input")
    name.fill('my "dark", one')
    name.press("Enter")
    part(darkroom, "style_copy").click()
    expect(part(darkroom, "edit_style_prompt").locator("textarea")).to_have_value("a red apple")
    part(darkroom, "edit_style_prompt").locator("textarea").fill("{prompt},\nat night")
    part(darkroom, "edit_style_neg_prompt").locator("textarea").fill("day")
    part(darkroom, "edit_style_save").click()
    expect(darkroom.notes().first).to_contain_text('The style my "dark", one is saved.', timeout=PATIENCE_MS)
    assert styles.list() == (Style("shiny", "{prompt}, very shiny", "dull"), Style('my "dark", one', "{prompt},\nat night", "day"))

    name.click()
    darkroom.page.get_by_role("option", name="shiny").click()
    expect(part(darkroom, "edit_style_prompt").locator("textarea")).to_have_value("{prompt}, very shiny")
    expect(part(darkroom, "edit_style_neg_prompt").locator("textarea")).to_have_value("dull")
    part(darkroom, "edit_style_delete").click()
    expect(part(darkroom, "edit_style_prompt").locator("textarea")).to_have_value("", timeout=PATIENCE_MS)
    assert [style.name for style in styles.list()] == ['my "dark", one']
    part(darkroom, "edit_style_close").click()
    expect(part(darkroom, "styles_dialog")).to_be_hidden()


def test_escape_closes_the_dialog_and_leaves_the_job_running(darkroom: Darkroom, styles: Styles) -> None:
    darkroom.fill({"steps": "150", "batch_count": "3"})
    darkroom.generate()
    expect(darkroom.progress()).to_be_visible(timeout=PATIENCE_MS)
    part(darkroom, "style_create").click()
    dialog = darkroom.page.get_by_role("dialog", name="Edit styles")
    expect(dialog).to_be_visible(timeout=PATIENCE_MS)
    expect(part(darkroom, "styles_edit_select").locator("input")).to_be_focused()
    darkroom.page.keyboard.press("Escape")  # the list of names that the focus has opened
    expect(dialog.locator("ul.options")).to_have_count(0)
    darkroom.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(darkroom.progress()).to_be_visible()
    expect(darkroom.notes()).to_have_count(0)
    darkroom.page.keyboard.press("Escape")
    expect(darkroom.progress()).to_be_hidden(timeout=PATIENCE_MS)


def test_chosen_styles_are_written_into_the_prompts(darkroom: Darkroom, styles: Styles) -> None:
    styles.save(Style("small", "tiny", "huge"))
    darkroom.page.locator("#refresh_sd_model_checkpoint").click()
    for name in ("shiny", "small"):
        part(darkroom, "styles").locator("input").click()
        darkroom.page.get_by_role("option", name=name).click()
    part(darkroom, "style_create").click()
    expect(part(darkroom, "edit_style_prompt").locator("textarea")).to_have_value("{prompt}, very shiny", timeout=PATIENCE_MS)
    part(darkroom, "style_apply_dialog").click()
    expect(darkroom.field("prompt")).to_have_value("a red apple, very shiny, tiny")
    expect(darkroom.field("neg_prompt")).to_have_value("dull, huge")
    expect(part(darkroom, "styles").locator(".token")).to_have_count(0)


def test_a_style_without_a_name_and_a_broken_file_are_told(darkroom: Darkroom, styles: Styles, server_data: Path) -> None:
    part(darkroom, "style_create").click()
    part(darkroom, "edit_style_prompt").locator("textarea").fill("nameless")
    part(darkroom, "edit_style_save").click()
    expect(darkroom.notes().first).to_contain_text("A style needs a name.", timeout=PATIENCE_MS)
    expect(part(darkroom, "edit_style_prompt").locator("textarea")).to_have_value("nameless")
    (server_data / "styles.csv").write_bytes(b"name,prompt\n\xff\xfe,x\n")
    part(darkroom, "edit_style_save").click()
    part(darkroom, "style_create").click()
    expect(darkroom.notes().filter(has_text="styles.csv cannot be read")).to_have_count(1, timeout=PATIENCE_MS)
