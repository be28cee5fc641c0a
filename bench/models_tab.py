"""How long the Models tab takes to show the first of thousands of files, to find one, and to come to the end: in Chromium, by its clock.

python bench/models_tab.py --files 5000
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.models import make
from tests.support.server import running_server

REPEATS = 5
READING_S = 300
AWAIT = "while (!({done})) await new Promise((go) => setTimeout(go, 5));"
MEASURES = {
    "press of the tab to the first cards": ("document.querySelector('#tab_models-button').click()", "count() > 9"),
    "typing to the one file": ("type('#models_search', '{last}')", "count() === 1"),
    "no search to the first cards": ("document.querySelector('#models_clear').click()", "count() > 9"),
    "to the end of the list": ("wall().scrollTop = wall().scrollHeight", "at({end})"),
    "cards to table": ("document.querySelector('#models_view').click()", "document.querySelector('dk-models .dk-mc-row')"),
}
HELPERS = """
const wall = () => document.querySelector('dk-models .dk-mc-wall');
const count = () => document.querySelectorAll('dk-models .dk-mc').length;
const at = (place) => document.querySelector(`dk-models .dk-mc[data-at="${place}"]`);
const type = (box, text) => {
  document.querySelector(box).value = text;
  document.querySelector(box).dispatchEvent(new Event('input', { bubbles: true }));
};
"""


def measured(browser: Browser, url: str, last: str, files: int) -> dict[str, float]:
    """Milliseconds of each measure in a fresh browser profile."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("window.darkroom?.isLoaded()", timeout=120_000)
    found = {}
    for name, (act, done) in MEASURES.items():
        page.wait_for_timeout(1000)
        timed = f"const began = performance.now(); {act}; {AWAIT.format(done=done)} return performance.now() - began;"
        script = f"async () => {{ {HELPERS} {timed} }}"
        found[name] = page.evaluate(script.replace("{last}", last).replace("{end}", str(files - 1)))
    context.close()
    return found


def wait_until_read(url: str) -> int:
    """How many files there are, once all have been looked at."""
    for _ in range(READING_S):
        told = httpx.get(f"{url}api/v1/models/cards", params={"limit": 0}).json()
        if told["total"] and not told["unread"]:
            return int(told["total"])
        time.sleep(1)
    raise SystemExit(f"The files have not been read after {READING_S} s.")


def main() -> None:
    """Prints a table: median and slowest of all repeats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        make(Path(folder), asked.files)
        with running_server(Path(folder)) as url:
            files = wait_until_read(url)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            runs = [measured(browser, url, f"lora {asked.files - 1}.", files) for _ in range(asked.repeats)]
            browser.close()
    print(f"{files} files, {asked.repeats} repeats; milliseconds")
    for name in MEASURES:
        times = [run[name] for run in runs]
        print(f"{name:38} median {statistics.median(times):6.0f}   slowest {max(times):6.0f}")


if __name__ == "__main__":
    main()
