"""Stripped copies: nothing of the settings left, every pixel as it was."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from app.metadata import encode_picture, read_picture, stripped
from app.metadata.write import FORMATS
from app.schema.errors import BadPicture
from tests.support.paths import ROOT

PIXELS = np.random.default_rng(2).integers(0, 256, (16, 24, 3), dtype=np.uint8)
SECRET = "a secret prompt"
FILES = sorted(path for path in (ROOT / "tests" / "data" / "files").iterdir() if path.suffix in (".png", ".jpg", ".jpeg", ".webp", ".avif"))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGBA"))


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_left(kind: str) -> None:
    data = encode_picture(PIXELS, f"{SECRET}\nSteps: 3, Sampler: Euler, Seed: 5", kind, chunks={"darkroom": f'{{"x": "{SECRET}"}}'})
    bare = stripped(data)
    record = read_picture(bare)
    assert (record.text, record.items, record.width, record.height) == ("", {}, 24, 16)
    assert all(SECRET.encode(code) not in bare for code in ("ascii", "utf-16-be", "utf-16-le"))
    assert np.array_equal(pixels(bare), pixels(data)) and stripped(bare) == bare


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_that_others_wrote(file: Path) -> None:
    bare = stripped(file.read_bytes())
    assert (read_picture(bare).text, read_picture(bare).items) == ("", {})
    assert np.array_equal(pixels(bare), pixels(file.read_bytes()))


def test_xmp_and_texts_behind_the_pixels_go_too() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add(b"tEXt", b"late\x00" + SECRET.encode(), after_idat=True)
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", pnginfo=texts, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00")
    assert SECRET.encode() not in stripped(buffer.getvalue())
    for kind in ("JPEG", "WEBP", "AVIF"):
        buffer = BytesIO()
        Image.fromarray(PIXELS).save(buffer, kind, xmp=f"<x:xmpmeta>{SECRET}</x:xmpmeta>".encode())
        assert SECRET.encode() in buffer.getvalue() and SECRET.encode() not in stripped(buffer.getvalue())


HIDDEN = [*(ROOT / "tests" / "data" / "samples" / "pictures").glob("*/*stealth*.png")]


@pytest.mark.parametrize("file", HIDDEN, ids=lambda file: file.name)
def test_a_text_hidden_in_the_pixels_goes_too(file: Path) -> None:
    assert read_picture(file).source.startswith("stealth") or read_picture(file).recipe is not None
    bare = stripped(file.read_bytes())
    assert (read_picture(bare).text, read_picture(bare).recipe) == ("", None)
    difference = np.abs(pixels(bare).astype(int) - pixels(file.read_bytes()))
    assert difference[..., :3].max() == 0 and difference[..., 3].max() <= 1, "the lowest bit of alpha only"


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "avif"])
def test_files_that_are_cut_off_are_told(kind: str) -> None:
    data = encode_picture(PIXELS, SECRET, kind)
    for end in range(12, len(data) - 1, 7):
        try:
            stripped(data[:end])
        except BadPicture as error:
            assert len(str(error)) < 200
    with pytest.raises(BadPicture):
        stripped(b"GIF89a" + bytes(20))
    with pytest.raises(BadPicture):
        stripped(b"")
