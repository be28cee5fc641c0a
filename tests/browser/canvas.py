"""img2img's canvas as a person uses it: pictures put on it, strokes, what a job would get."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.darkroom import PATIENCE_MS, Darkroom

Point = tuple[float, float]
"""Shares of the canvas's width and height."""
PAINTED = """(name) => {
  const { canvas } = document.querySelector('dk-input-picture').layers[name];
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let at = 3; at < data.length; at += 4) sum += data[at];
  return sum / 255 / (canvas.width * canvas.height);
}"""


class Canvas:
    """The canvas of an opened page's img2img tab."""

    def __init__(self, darkroom: Darkroom) -> None:
        self.darkroom, self.page = darkroom, darkroom.page
        darkroom.show("img2img")

    def start_with(self, file: Path) -> None:
        """Puts a picture on the canvas and waits until it is shown."""
        if self.page.locator("#img2img_canvas").is_visible():
            self.page.locator("#img2img_remove").click()
        self.page.locator("#img2img_file").set_input_files(file)
        expect(self.page.locator("#img2img_canvas canvas").first).to_be_visible(timeout=PATIENCE_MS)

    def mode(self, name: str) -> None:
        """Opens a sub-tab: img2img, sketch, inpaint, inpaint_sketch, inpaint_upload."""
        self.page.locator(f"#img2img_{name}_tab").click()

    def brush(self, *, size: int = 60, hardness: int = 100) -> None:
        """Sets both sliders, each from 0 to 100."""
        self.page.locator("#img2img_size").fill(str(size))
        self.page.locator("#img2img_hardness").fill(str(hardness))

    def at(self, point: Point) -> Point:
        """A point of the canvas in the window."""
        box = self.page.locator("#img2img_canvas").bounding_box()
        assert box is not None
        return box["x"] + box["width"] * point[0], box["y"] + box["height"] * point[1]

    def stroke(self, *points: Point, button: Any = "left") -> None:
        """Draws through the points with the mouse."""
        self.page.locator("#img2img_canvas").scroll_into_view_if_needed()
        self.page.mouse.move(*self.at(points[0]))
        self.page.mouse.down(button=button)
        for point in points[1:]:
            self.page.mouse.move(*self.at(point), steps=5)
        self.page.mouse.up(button=button)

    def painted(self, layer: str = "mask") -> float:
        """Share of the picture that is painted."""
        return float(self.page.evaluate(PAINTED, layer))

    def sent(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Pictures and mask that a job would start from, as the server has them."""
        ids = self.page.evaluate("() => document.querySelector('dk-input-picture').start()")
        return [self.stored(one) for one in ids["images"]], self.stored(ids["mask"]) if ids.get("mask") else None

    def stored(self, name: str) -> np.ndarray:
        """Pixels of a stored picture."""
        answer = self.page.request.get(f"{self.darkroom.url}api/v1/inputs/{name}")
        assert answer.ok, answer.status
        return pixels(answer.body())


def pixels(data: bytes) -> np.ndarray:
    """(height, width[, 3]) uint8 of a picture file."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def a_picture(path: Path, size: tuple[int, int] = (192, 128), seed: int = 0) -> np.ndarray:
    """Writes a picture in which hardly two pixels are equal; its pixels."""
    made = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(made).save(path)
    return made


class Fingers:
    """Fingers on an opened page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def touch(self, kind: str, *points: Point) -> None:
        """One event (touchStart, touchMove, touchEnd): where every finger is then, in the window."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
