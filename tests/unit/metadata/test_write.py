"""Pictures written with an infotext: every container gives it back, the pixels too, and Pillow agrees."""

import time
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.metadata import encode_picture, read_picture, save_png_bytes
from app.metadata.containers.exif import EXIF_POINTER, USER_COMMENT
from app.metadata.infotext import clean
from app.metadata.write import FORMATS
from app.schema.errors import UnknownName

PIXELS = np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8)
TEXT = "赤い家 🐕, ñandú\nNegative prompt: fog\nSteps: 3, Sampler: Euler, Seed: 5, Size: 24x16"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", [TEXT, "plain\nSteps: 3, Seed: 5, Size: 24x16", "café", "Ã©", "é\n", ""])
def test_every_format_gives_the_text_back(kind: str, text: str) -> None:
    data = encode_picture(PIXELS, text, kind)
    record = read_picture(data)
    assert (record.text, dict(record.items)) == (text, {})
    assert (record.format, record.width, record.height) == (FORMATS[kind], 24, 16)
    with Image.open(BytesIO(data)) as picture:
        picture.load()
        assert (picture.format, picture.size, picture.mode) == (FORMATS[kind], (24, 16), "RGB")


@pytest.mark.parametrize("kind", ["jpg", "webp", "avif"])
def test_pillow_finds_the_comment(kind: str) -> None:
    with Image.open(BytesIO(encode_picture(PIXELS, TEXT, kind))) as picture:
        raw = picture.getexif().get_ifd(EXIF_POINTER)[USER_COMMENT]
    assert raw == b"UNICODE\0" + TEXT.encode("utf-16-be")


def test_lossless_formats_keep_every_pixel() -> None:
    for data in (
        encode_picture(PIXELS, TEXT),
        encode_picture(PIXELS, TEXT, "webp", lossless=True),
        encode_picture(Image.fromarray(PIXELS), TEXT),
    ):
        assert np.array_equal(np.asarray(Image.open(BytesIO(data)).convert("RGB")), PIXELS)


def test_quality_counts() -> None:
    for kind in ("jpeg", "webp", "avif"):
        assert len(encode_picture(PIXELS, "", kind, quality=20)) < len(encode_picture(PIXELS, "", kind, quality=95))


def test_transparent_pictures_can_be_jpeg() -> None:
    clear = Image.new("RGBA", (8, 8), (1, 2, 3, 4))
    assert read_picture(encode_picture(clear, "a", "jpeg")).text == "a"


@pytest.mark.parametrize(
    ("text", "kind"),
    [("ascii", b"tEXt"), ("café", b"tEXt"), ("Ã©", b"iTXt"), ("犬", b"iTXt")],
    ids=["ascii", "latin1", "mistakable", "wide"],
)
def test_the_text_chunk_is_the_one_that_pillow_would_write(text: str, kind: bytes) -> None:
    """But for Latin-1 that reads as UTF-8: curing readers, ours among them, would take it for mojibake."""
    data = save_png_bytes(PIXELS, text)
    assert data[37:41] == kind
    with Image.open(BytesIO(data)) as picture:
        assert picture.info == {"parameters": text}


def test_further_chunks() -> None:
    record = read_picture(save_png_bytes(PIXELS, TEXT, {"workflow": '{"a": 1}', "empty": "", "Titel": "犬"}))
    assert record.text == TEXT and record.items == {"workflow": '{"a": 1}', "Titel": "犬"}


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters() | st.characters(categories=("Cs",))), st.sampled_from(sorted(set(FORMATS) - {"avif"})))
def test_any_text_can_be_written(text: str, kind: str) -> None:
    text += "\nSteps: 3, Sampler: Euler, Seed: 5, Size: 24x16"  # without it a few rare characters are as good UTF-16 of either order
    assert read_picture(encode_picture(PIXELS, text, kind)).text == clean(text)


def test_what_cannot_be_written() -> None:
    with pytest.raises(UnknownName, match="jxl"):
        encode_picture(PIXELS, "", "jxl")
    for pixels in (PIXELS.astype(np.float32), PIXELS[..., 0], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="uint8"):
            save_png_bytes(pixels, "")


def test_a_long_text_is_not_slow() -> None:
    start = time.process_time()
    assert len(read_picture(encode_picture(PIXELS, "a 塔 " * 250_000, "jpeg")).text) == 1_000_000
    assert time.process_time() - start < 20
