"""A real Chromium on a real server with the small checkpoint that ships with Darkroom."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.darkroom import Darkroom
from tests.support.server import running_server

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="package")
def server_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's data folder: one checkpoint that is none, and whatever the tests add."""
    data = tmp_path_factory.mktemp("page-data")
    folder = data / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "letter.safetensors").write_text("Dear reader, this is no checkpoint. " * 50)
    return data


@pytest.fixture(scope="package")
def server_url(server_data: Path) -> Iterator[str]:
    """A server process of its own, ended after the browser tests: what they left running is nobody else's load."""
    with running_server(server_data) as url:
        yield url


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; its absence is a failure, because nothing else tests the page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("Chromium is missing: install it (Debian and Ubuntu: apt-get install chromium).")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own: no cookies, no drafts of other tests."""
    made = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Page:
    """An empty tab of that profile."""
    return context.new_page()


@pytest.fixture
def darkroom(tab: Page, server_url: str) -> Iterator[Darkroom]:
    """The page, opened and ready; what it asks other servers for, and every error of its scripts, fails the test."""
    opened = Darkroom(tab, server_url)
    opened.open()
    yield opened
    assert not opened.foreign_requests, f"asked other servers: {opened.foreign_requests}"
    assert not opened.script_errors, f"errors in scripts: {opened.script_errors}"
