"""The page's keys."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.darkroom import PATIENCE_MS, Darkroom

UP, DOWN = "Control+ArrowUp", "Control+ArrowDown"


@pytest.mark.parametrize(
    ("before", "cursor", "keys", "after"),
    [
        ("a red apple", (3, 3), [UP], "a (red:1.1) apple"),
        ("a red apple", (3, 3), [DOWN], "a (red:0.9) apple"),
        ("a red apple", (3, 3), [UP, UP, UP], "a (red:1.3) apple"),
        ("a red apple", (3, 3), [UP, DOWN], "a red apple"),
        ("a red apple", (2, 11), [UP], "a (red apple:1.1)"),
        ("a (red apple:1.2)", (6, 6), [UP], "a (red apple:1.3)"),
        ("a (red apple:1.1)", (6, 6), [DOWN], "a red apple"),
        ("a (red apple)", (6, 6), [UP], "a (red apple:1.2)"),
        ("a (red (big:1.2) apple:1.5)", (9, 9), [DOWN], "a (red (big:1.1) apple:1.5)"),
        ("a \\(red\\) apple", (5, 5), [UP], "a \\((red\\:1.1)) apple"),
        ("", (0, 0), [UP], ""),
        (" , ", (1, 1), [UP], " , "),
    ],
)
def test_ctrl_up_and_down_change_the_weight_of_the_words(
    darkroom: Darkroom, before: str, cursor: tuple[int, int], keys: list[str], after: str
) -> None:
    prompt = darkroom.field("prompt")
    prompt.fill(before)
    prompt.evaluate("(box, [start, end]) => box.setSelectionRange(start, end)", list(cursor))
    for key in keys:
        prompt.press(key)
    assert prompt.input_value() == after


def test_weight_is_what_the_job_gets_and_can_be_undone(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "1"})
    prompt = darkroom.field("prompt")
    prompt.fill("a red apple")
    prompt.evaluate("(box) => box.setSelectionRange(3, 3)")
    prompt.press(UP)
    prompt.press("Control+Enter")
    darkroom.finish(1)
    assert darkroom.infotext().startswith("a (red:1.1) apple")
    prompt.press("Control+z")
    expect(prompt).to_have_value("a red apple")


def test_alt_enter_skips_and_escape_interrupts(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "150", "batch_count": "3"})
    darkroom.field("prompt").press("Control+Enter")
    expect(darkroom.progress()).to_contain_text(re.compile(r"batch 1 of 3"), timeout=PATIENCE_MS)
    darkroom.page.keyboard.press("Alt+Enter")
    expect(darkroom.progress()).to_contain_text(re.compile(r"batch 2 of 3"), timeout=PATIENCE_MS)
    darkroom.page.keyboard.press("Escape")
    expect(darkroom.progress()).to_be_hidden(timeout=PATIENCE_MS)
    assert 1 <= darkroom.pictures().count() <= 2


def test_arrows_go_through_the_gallery_and_the_full_screen(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "1", "batch_size": "3", "seed": "20"})
    darkroom.generate()
    darkroom.finish(3)
    info = darkroom.page.locator("#html_info_txt2img")
    expect(info).to_contain_text("Seed: 20,")
    darkroom.pictures().first.click()
    darkroom.page.keyboard.press("ArrowRight")
    expect(info).to_contain_text("Seed: 21,")
    for _ in range(3):  # past the first picture and the grid before it
        darkroom.page.keyboard.press("ArrowLeft")
    expect(info).to_contain_text("Seed: 22,")
    darkroom.results().locator("button.dk-stage").click()
    full = darkroom.page.get_by_role("dialog", name="Picture")
    expect(full).to_be_visible()
    darkroom.page.keyboard.press("ArrowRight")
    expect(info).to_contain_text("Seed: 20,")
    darkroom.page.keyboard.press("Escape")
    expect(full).to_be_hidden()


def test_arrows_in_a_text_box_stay_there(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "1", "batch_size": "2", "seed": "30"})
    darkroom.generate()
    darkroom.finish(2)
    darkroom.field("prompt").press("ArrowRight")
    expect(darkroom.page.locator("#html_info_txt2img")).to_contain_text("Seed: 30,")
