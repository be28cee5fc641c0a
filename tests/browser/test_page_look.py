"""How the page looks and how it is read aloud: both themes, a desk's and a phone's width."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.canvas import Canvas, a_picture
from tests.browser.darkroom import Darkroom

TABS = ("txt2img", "img2img", "extras", "pnginfo", "models", "settings")
SUB_TABS = ("img2img", "sketch", "inpaint", "inpaint_sketch", "inpaint_upload", "outpaint", "batch")
SIZES: dict[str, ViewportSize] = {"desk": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}

UNNAMED = """() => [...document.querySelectorAll('button, a[href], input, textarea, select, [role=slider], [role=option], [tabindex="0"]')]
  .filter((node) => node.getClientRects().length > 0 && !node.closest('[aria-hidden=true]'))
  .filter((node) => {
    const said = (nodes) => nodes.map((one) => one?.textContent ?? '').join('');
    const labelled = said((node.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)));
    const labels = said([...(node.labels ?? [])]);
    return !(node.getAttribute('aria-label') ?? '').trim() && !labelled.trim() && !labels.trim() && !node.textContent.trim();
  })
  .map((node) => node.outerHTML.slice(0, 200))"""

# What an ancestor cuts off does not widen the document, but nobody can reach it either; rows that scroll by themselves are fine.
CUT_OFF = """() => [...document.querySelectorAll('.gradio-container *')]
  .filter((node) => node.getClientRects().length > 0 && !node.closest('.dk-hidden, .visually-hidden, svg'))
  .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter((node) => {
    for (let at = node.parentElement; at; at = at.parentElement) {
      if (at.matches('.dk-strip, .dk-infotext, .dk-mc-tabs, .dk-mc-kinds')) return false;
    }
    return true;
  })
  .map((node) => node.outerHTML.slice(0, 160))"""

LOW_CONTRAST = """() => {
  const channel = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const colour = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0.5) return found;
    }
    return [255, 255, 255];
  };
  const wrong = [];
  const texts = 'label, label span, p, h3, button, strong, code, td, th, .dk-model-facts, [data-testid=block-info]';
  for (const node of document.querySelectorAll(texts)) {
    if (!node.getClientRects().length || !node.textContent.trim() || node.disabled) continue;
    if (parseFloat(getComputedStyle(node).fontSize) === 0) continue; // an icon's label
    const [one, other] = [light(colour(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 3.8) wrong.push([ratio.toFixed(2), node.textContent.trim().slice(0, 40)]);
  }
  return wrong;
}"""


@pytest.fixture(params=["dark", "light"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["desk", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sized_tab(browser: Browser, size: str) -> Iterator[Page]:
    context = browser.new_context(viewport=SIZES[size], has_touch=size == "phone")
    yield context.new_page()
    context.close()


def test_every_tab_fits_and_is_readable(
    sized_tab: Page, server_url: str, theme: str, size: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    darkroom = Darkroom(sized_tab, server_url)
    darkroom.open(f"?__theme={theme}")
    darkroom.fill({"steps": "20", "prompt": "a red apple on a white background"})
    darkroom.generate()
    darkroom.finish(1)
    folder = shots(tmp_path_factory)
    for tab in TABS:
        darkroom.show(tab)
        sized_tab.wait_for_timeout(400)
        sized_tab.screenshot(path=folder / f"{tab}-{size}-{theme}.png", full_page=True)
        width = sized_tab.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size]["width"], f"{tab} is {width} pixels wide"
        assert sized_tab.evaluate(CUT_OFF) == [], f"out of the window on {tab}"
        assert sized_tab.evaluate(UNNAMED) == [], f"unnamed controls on {tab}"
        assert sized_tab.evaluate(LOW_CONTRAST) == [], f"hard to read on {tab}"
    assert not darkroom.script_errors
    assert not darkroom.foreign_requests


def test_every_sub_tab_of_img2img_fits_and_is_readable(
    sized_tab: Page, server_url: str, theme: str, size: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    darkroom = Darkroom(sized_tab, server_url)
    darkroom.open(f"?__theme={theme}")
    canvas = Canvas(darkroom)
    a_picture(tmp_path / "start.png", (320, 240))
    canvas.start_with(tmp_path / "start.png")
    folder = shots(tmp_path_factory)
    for mode in SUB_TABS:
        canvas.mode(mode)
        if mode not in ("img2img", "outpaint", "batch"):
            canvas.stroke((0.3, 0.4), (0.6, 0.5))
        sized_tab.wait_for_timeout(200)
        sized_tab.screenshot(path=folder / f"img2img-{mode}-{size}-{theme}.png", full_page=True)
        width = sized_tab.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size]["width"], f"{mode} is {width} pixels wide"
        assert sized_tab.evaluate(CUT_OFF) == [], f"out of the window on {mode}"
        assert sized_tab.evaluate(UNNAMED) == [], f"unnamed controls on {mode}"
        assert sized_tab.evaluate(LOW_CONTRAST) == [], f"hard to read on {mode}"
    assert not darkroom.script_errors
    assert not darkroom.foreign_requests


def shots(factory: pytest.TempPathFactory) -> Path:
    """The folder of screenshots, for people who look at them."""
    folder = factory.getbasetemp() / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


def test_generate_stays_in_reach_on_a_phone(browser: Browser, server_url: str) -> None:
    context = browser.new_context(viewport=SIZES["phone"], has_touch=True)
    page = context.new_page()
    darkroom = Darkroom(page, server_url)
    darkroom.open()
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(300)
    box = page.locator("#txt2img_generate").bounding_box()
    assert box is not None and box["y"] + box["height"] <= 844 and box["height"] >= 44
    context.close()


def test_theme_follows_the_system_and_the_switch(browser: Browser, server_url: str) -> None:
    context = browser.new_context(color_scheme="light")
    darkroom = Darkroom(context.new_page(), server_url)
    darkroom.open()
    body = darkroom.page.locator("body")
    expect(body).not_to_have_class("dark")
    darkroom.page.locator("#dk_theme").click()
    expect(body).to_have_class("dark")
    darkroom.reload()
    expect(body).to_have_class("dark")
    context.close()
