"""A real Chromium on a real server with the small checkpoint that ships with Darkroom."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.darkroom import Darkroom
from tests.support.paths import ROOT

START_S = 60
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's data folder: one checkpoint that is none, and whatever the tests add."""
    data = tmp_path_factory.mktemp("page-data")
    folder = data / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "letter.safetensors").write_text("Dear reader, this is no checkpoint. " * 50)
    return data


@pytest.fixture(scope="session")
def server_url(server_data: Path) -> Iterator[str]:
    """A server process of its own, ended after the tests."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environ = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    with (server_data / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--data-dir", str(server_data)],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for_page(url, process, server_data / "server.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_page(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns once the page is served; fails with the server's own words if it ends first."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no page after {START_S} s: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
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
