"""The queue's panel, the meter, "Generate forever"; and two people at once whose server is killed under them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.darkroom import PATIENCE_MS, Darkroom
from tests.support.server import ServerProcess

SMALL = {"steps": "4", "width": "64", "height": "64", "sampling": "Euler"}


def panel(darkroom: Darkroom) -> Locator:
    """The queue's panel, opened."""
    darkroom.page.locator("#dk-meter").click()
    dialog = darkroom.page.get_by_role("dialog", name="Queue")
    expect(dialog).to_be_visible()
    return dialog


def test_the_queue_is_seen_held_back_moved_and_emptied(darkroom: Darkroom, tmp_path: Path) -> None:
    page = darkroom.page
    darkroom.fill({**SMALL, "prompt": "a lighthouse"})
    expect(page.locator("#dk-meter")).to_contain_text("/ min", timeout=PATIENCE_MS)
    queue = panel(darkroom)
    queue.get_by_role("button", name="Pause").click()
    expect(queue.get_by_text("Paused:")).to_be_visible()
    page.keyboard.press("Escape")
    for prompt in ("a lighthouse", "an old stone bridge", "a bowl of fruit"):
        darkroom.fill({"prompt": prompt})
        darkroom.generate()
        expect(page.locator("#txt2img_results .dk-progress")).to_be_visible()
    expect(page.locator("#txt2img_results .dk-bar-line")).to_have_text("Paused: it waits until the queue goes on")
    queue = panel(darkroom)
    line = queue.get_by_role("list", name="Jobs that run or wait").locator(".dk-line-prompt")
    expect(line).to_have_text(["a lighthouse", "an old stone bridge", "a bowl of fruit"])
    queue.get_by_role("button", name="Earlier: a bowl of fruit").click()
    expect(line).to_have_text(["a lighthouse", "a bowl of fruit", "an old stone bridge"])
    queue.get_by_role("button", name="Cancel: an old stone bridge").click()
    expect(line).to_have_text(["a lighthouse", "a bowl of fruit"])
    for theme in ("dark", "light"):
        for width in (1400, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate(f"document.documentElement.classList.toggle('dark', {'true' if theme == 'dark' else 'false'})")
            page.screenshot(path=tmp_path / f"queue-{theme}-{width}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    page.set_viewport_size({"width": 1400, "height": 900})
    queue.get_by_role("button", name="Resume").click()
    ended = queue.get_by_role("list", name="The last jobs")
    for prompt in ("a lighthouse", "a bowl of fruit"):
        expect(ended.get_by_role("listitem").filter(has_text=prompt)).to_contain_text("Done · 1 picture", timeout=PATIENCE_MS)
    expect(ended.get_by_text("steps").first).to_be_visible()
    ended.get_by_role("button", name="Make again: a bowl of fruit").click()
    page.keyboard.press("Escape")
    darkroom.finish(3)


def test_generate_forever_goes_on_until_it_is_cancelled(darkroom: Darkroom) -> None:
    page = darkroom.page
    darkroom.fill({**SMALL, "prompt": "a red kite"})
    toggle = page.locator("#txt2img_forever")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    page.locator("#txt2img_generate").click(button="right")
    page.get_by_role("menuitem", name="Generate forever", exact=True).click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("document.querySelectorAll('#txt2img_gallery .dk-tile img').length >= 3", timeout=PATIENCE_MS)
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(darkroom.progress()).to_be_hidden(timeout=PATIENCE_MS)
    count = darkroom.pictures().count()
    page.wait_for_timeout(1500)
    assert darkroom.pictures().count() == count


def test_generate_forever_ends_at_a_refusal(darkroom: Darkroom) -> None:
    darkroom.fill({**SMALL, "seed": "not a number"})
    darkroom.page.locator("#txt2img_forever").click()
    expect(darkroom.notes().filter(has_text="Generate forever has ended")).to_be_visible(timeout=PATIENCE_MS)
    expect(darkroom.page.locator("#txt2img_forever")).to_have_attribute("aria-pressed", "false")


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path)
    server.start()
    yield server
    server.stop()


def someone(browser: Browser, server: ServerProcess) -> tuple[BrowserContext, Page, Darkroom]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    tab = context.new_page()
    person = Darkroom(tab, server.url)
    person.open()
    return context, tab, person


def test_two_people_whose_server_is_killed_find_their_pictures(browser: Browser, mortal: ServerProcess) -> None:
    first_context, _, first = someone(browser, mortal)
    second_context, _, second = someone(browser, mortal)
    for person, prompt, steps, count in ((first, "a lighthouse", "60", "3"), (second, "a bowl of fruit", "40", "2")):
        person.fill({**SMALL, "prompt": prompt, "steps": steps, "batch_count": count})
        person.generate()
    expect(first.progress()).to_contain_text("/60", timeout=PATIENCE_MS)
    expect(second.progress()).to_contain_text("/40", timeout=PATIENCE_MS)
    first.reload()
    expect(first.progress()).to_contain_text("/60", timeout=PATIENCE_MS)
    expect(first.pictures().first).to_be_visible(timeout=PATIENCE_MS)
    kept = first.pictures().first.get_attribute("src")
    mortal.kill()
    mortal.start()
    first.finish(3)
    second.finish(2)
    sources = first.pictures().evaluate_all("images => images.map(image => image.getAttribute('src'))")
    assert kept in sources and len(set(sources)) == 3
    assert "a lighthouse" in first.infotext() and "a bowl of fruit" in second.infotext()
    first_context.close()
    second_context.close()
