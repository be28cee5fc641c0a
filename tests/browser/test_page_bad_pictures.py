"""Pictures and masks of unusual kinds on the page: each is drawn on, or refused with a sentence, and nothing is lost."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.canvas import Canvas, a_picture
from tests.browser.darkroom import PATIENCE_MS, Darkroom


def as_file(shown: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, kind, **settings)
    return buffer.getvalue()


def huge() -> bytes:
    """A PNG of a few bytes that says it has 20,000 x 20,000 pixels."""
    data = bytearray(as_file(Image.new("RGB", (16, 16))))
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def moving() -> bytes:
    reds = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (255, 128, 0)]
    return as_file(reds[0], "GIF", save_all=True, append_images=reds[1:])


GOOD: dict[str, tuple[str, bytes, tuple[int, int]]] = {
    "one pixel": ("a.png", as_file(Image.new("RGB", (1, 1), "white")), (1, 1)),
    "CMYK": ("a.jpg", as_file(Image.new("CMYK", (64, 48), (0, 0, 0, 0)), "JPEG"), (64, 48)),
    "16 bits": ("a.png", as_file(Image.new("I;16", (64, 48), 0xFFFF)), (64, 48)),
    "moving": ("a.gif", moving(), (64, 64)),
    "TIFF": ("a.tiff", as_file(Image.new("RGB", (64, 48), "white"), "TIFF"), (64, 48)),
}
BAD = {
    "20,000 x 20,000": (huge(), re.compile("20000x20000|more pixels than are decoded")),
    "cut short": (as_file(Image.effect_noise((200, 200), 50))[:4000], re.compile("cut short")),
    "a text": (b"Dear reader", re.compile("no picture that can be read")),
    "empty": (b"", re.compile("no picture|empty")),
}


@pytest.mark.parametrize("name", GOOD)
def test_pictures_of_unusual_kinds_are_drawn_on(darkroom: Darkroom, tmp_path: Path, name: str) -> None:
    file, data, (width, height) = GOOD[name]
    (tmp_path / file).write_bytes(data)
    canvas = Canvas(darkroom)
    canvas.start_with(tmp_path / file)
    [image], _ = canvas.sent()
    assert image.shape == (height, width, 3)
    darkroom.fill({"steps": "1", "width": "64", "height": "64"}, "img2img")
    darkroom.generate("img2img")
    darkroom.finish(1, "img2img")


@pytest.mark.parametrize("name", GOOD)
def test_masks_of_unusual_kinds_are_taken(darkroom: Darkroom, tmp_path: Path, name: str) -> None:
    file, data, _ = GOOD[name]
    (tmp_path / file).write_bytes(data)
    canvas = Canvas(darkroom)
    a_picture(tmp_path / "start.png", (96, 64))
    canvas.start_with(tmp_path / "start.png")
    canvas.mode("inpaint_upload")
    darkroom.page.locator("#img2img_mask_file").set_input_files(tmp_path / file)
    expect(darkroom.notes()).to_contain_text("The mask is in place")
    _, mask = canvas.sent()
    assert mask is not None and mask.shape == (64, 96), "the mask is brought to the picture's size"
    assert mask.min() == mask.max() == (255 if name != "moving" else 76), "red's brightness is 76"


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_told_and_the_picture_and_the_paint_stay(darkroom: Darkroom, tmp_path: Path, name: str) -> None:
    data, sentence = BAD[name]
    (tmp_path / "bad.png").write_bytes(data)
    canvas = Canvas(darkroom)
    start = a_picture(tmp_path / "start.png", (96, 64))
    canvas.start_with(tmp_path / "start.png")
    canvas.mode("inpaint_upload")
    canvas.brush()
    canvas.stroke((0.3, 0.5), (0.6, 0.5))
    painted = canvas.painted()
    for field in ("#img2img_mask_file", "#img2img_file"):
        darkroom.page.locator(field).set_input_files(tmp_path / "bad.png")
        expect(darkroom.notes()).to_contain_text(sentence, timeout=PATIENCE_MS)
        darkroom.notes().get_by_role("button").click()
        expect(darkroom.notes()).to_have_count(0)
    [image], mask = canvas.sent()
    assert np.array_equal(image, start) and mask is not None and canvas.painted() == painted > 0
