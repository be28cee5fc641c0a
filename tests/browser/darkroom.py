"""The page as a person uses it: what tests press, fill and read."""

from collections.abc import Mapping

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, expect

PATIENCE_MS = 90_000
"""A picture of the small checkpoint takes seconds; a busy machine may take ten times as long."""

FIELDS = {
    "prompt": "textarea",
    "neg_prompt": "textarea",
    "sampling": "input",
    "scheduler": "input",
    "steps": "input[type=number]",
    "width": "input[type=number]",
    "height": "input[type=number]",
    "batch_count": "input[type=number]",
    "batch_size": "input[type=number]",
    "cfg_scale": "input[type=number]",
    "denoising_strength": "input[type=number]",
    "seed": "textarea, input",
}
"""A1111's element name to the part of it that holds the value."""


class Darkroom:
    """One opened page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.foreign_requests: list[str] = []
        self.script_errors: list[str] = []
        page.on("request", self._on_request)
        page.on("pageerror", self._on_error)
        page.on("console", self._on_console)

    def open(self, query: str = "") -> None:
        """Loads the page and waits until its fields are filled."""
        self.page.goto(self.url + query)
        self.ready()

    def reload(self) -> None:
        """As the browser's reload button."""
        self.page.reload()
        self.ready()

    def ready(self) -> None:
        """Waits until the load event's values are in the fields."""
        expect(self.page.locator("#txt2img_generate")).to_be_visible(timeout=PATIENCE_MS)
        self.page.wait_for_function("window.darkroom?.isLoaded()", timeout=PATIENCE_MS)

    def show(self, tab: str) -> None:
        """Opens one of the page's tabs by its strip."""
        self.page.locator(f"#tab_{tab}-button").click()

    def field(self, name: str, tab: str = "txt2img") -> Locator:
        """The input of a field."""
        return self.page.locator(f"#{tab}_{name}").locator(FIELDS[name]).first

    def value(self, name: str, tab: str = "txt2img") -> str:
        """What a field holds."""
        return self.field(name, tab).input_value()

    def fill(self, values: Mapping[str, str], tab: str = "txt2img") -> None:
        """Types values into fields, and chooses those of dropdowns."""
        for name, value in values.items():
            field = self.field(name, tab)
            field.fill(value)
            if name in ("sampling", "scheduler"):
                self.page.get_by_role("option", name=value, exact=True).click()
            else:
                field.blur()

    def generate(self, tab: str = "txt2img") -> None:
        """Presses Generate."""
        self.page.locator(f"#{tab}_generate").click()

    def last_job(self) -> str:
        """The id of the newest job that the server has; empty before the first."""
        jobs = self.page.request.get(f"{self.url}api/v1/jobs?limit=1").json()
        return str(jobs[0]["id"]) if jobs else ""

    def results(self, tab: str = "txt2img") -> Locator:
        """Progress, stage and gallery of a tab."""
        return self.page.locator(f"dk-results[tab={tab}]")

    def progress(self, tab: str = "txt2img") -> Locator:
        """The bar, hidden while nothing runs."""
        return self.results(tab).get_by_role("progressbar")

    def pictures(self, tab: str = "txt2img") -> Locator:
        """Finished pictures in the gallery, without grids."""
        return self.page.locator(f"#{tab}_gallery .dk-tile img:not(.dk-grid)")

    def finish(self, count: int, tab: str = "txt2img") -> None:
        """Waits until the gallery has that many pictures and nothing runs."""
        expect(self.pictures(tab)).to_have_count(count, timeout=PATIENCE_MS)
        expect(self.progress(tab)).to_be_hidden(timeout=PATIENCE_MS)

    def infotext(self, tab: str = "txt2img") -> str:
        """The settings under the chosen picture."""
        return self.page.locator(f"#html_info_{tab}").inner_text()

    def notes(self) -> Locator:
        """Notes in the corner."""
        return self.page.locator(".dk-note")

    def picture_bytes(self, tab: str = "txt2img") -> bytes:
        """The chosen picture's file, as Download gives it."""
        href = self.results(tab).locator("a.dk-icon-download").get_attribute("href")
        assert href is not None
        answer = self.page.request.get(href)
        assert answer.ok, answer.status
        return answer.body()

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:", "about:")):
            self.foreign_requests.append(request.url)

    def _on_error(self, error: Error) -> None:
        self.script_errors.append(str(error))

    def _on_console(self, message: ConsoleMessage) -> None:
        # The browser itself reports each refused request (4xx), which tests of bad input cause on purpose.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.script_errors.append(message.text)
