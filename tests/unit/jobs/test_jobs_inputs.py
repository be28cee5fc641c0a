"""Input pictures: limits before decoding, upright, RGB, one id for one look."""

import errno
import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.jobs.inputs import Inputs
from app.schema.disk import DiskFull
from app.schema.errors import BadPicture, NotFound, TooLarge


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path / "inputs")


def file_of(picture: Image.Image, kind: str = "PNG", **settings) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return buffer.getvalue()


def scene() -> Image.Image:
    """Different in every corner."""
    pixels = np.zeros((6, 10, 3), np.uint8)
    pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
    return Image.fromarray(pixels)


def test_a_picture_comes_back(inputs):
    name = inputs.add(file_of(scene()))
    loaded = inputs.load(name)
    assert loaded.dtype == np.uint8 and (loaded == np.asarray(scene())).all()
    assert len(name) == 64


def test_one_look_has_one_id(inputs, tmp_path):
    first = inputs.add(file_of(scene()))
    assert inputs.add(file_of(scene(), "BMP")) == first == inputs.add(file_of(scene(), "WEBP", lossless=True))
    assert inputs.add(file_of(scene().transpose(Image.Transpose.ROTATE_90))) != first
    square, line = Image.new("RGB", (2, 2)), Image.new("RGB", (4, 1))
    assert inputs.add(file_of(square)) != inputs.add(file_of(line)), "the same bytes in another shape"
    assert len(list((tmp_path / "inputs").iterdir())) == 4


def test_a_turned_photo_stands_upright(inputs):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = inputs.load(inputs.add(file_of(scene(), "PNG", exif=exif.tobytes())))
    assert turned.shape == (10, 6, 3)
    assert tuple(turned[0, -1]) == (255, 0, 0) and tuple(turned[0, 0]) == (0, 0, 255)


@pytest.mark.parametrize(("background", "expected"), [("#ffffff", (255, 255, 255)), ("#203080", (0x20, 0x30, 0x80))])
def test_transparency_lies_over_the_background(inputs, background, expected):
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((1, 1), (10, 20, 30, 255))
    picture.putpixel((2, 2), (0, 0, 0, 128))
    loaded = inputs.load(inputs.add(file_of(picture), background))
    assert tuple(loaded[0, 0]) == expected and tuple(loaded[1, 1]) == (10, 20, 30)
    assert np.abs(loaded[2, 2].astype(int) - np.array(expected) * 127 / 255).max() <= 1  # one rounding step


def test_a_palette_with_transparency(inputs):
    picture = Image.new("P", (2, 1))
    picture.putpalette([9, 8, 7, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    loaded = inputs.load(inputs.add(file_of(picture, transparency=0)))
    assert tuple(loaded[0, 0]) == (255, 255, 255) and tuple(loaded[0, 1]) == (200, 100, 50)


def test_sixteen_bits_are_scaled_not_cut(inputs):
    grey = Image.fromarray(np.array([[0, 0x80FF, 0xFFFF]], np.uint16))
    assert inputs.load(inputs.add(file_of(grey)))[0, :, 0].tolist() == [0, 0x80, 0xFF]


def test_other_modes_become_rgb(inputs):
    for mode in ("L", "1", "CMYK"):
        picture = Image.new(mode, (3, 2))
        assert inputs.load(inputs.add(file_of(picture, "TIFF" if mode == "CMYK" else "PNG"))).shape == (2, 3, 3)


def test_too_many_bytes(tmp_path):
    with pytest.raises(TooLarge, match="limit"):
        Inputs(tmp_path, max_bytes=100).add(b"\x89PNG" + bytes(200))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9000, 9000), (60000, 60000)])
def test_a_bomb_is_refused_before_it_is_unpacked(inputs, size, tmp_path):
    with pytest.raises(TooLarge, match="pixels"):
        inputs.add(bomb(*size))
    assert not list((tmp_path / "inputs").glob("*"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"I am a text",
        file_of(scene())[:50],
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        bomb(500, 500),
        b"GIF89a" + bytes(7),
    ],
    ids=["empty", "text", "cut", "postscript", "missing rows", "gif without frames"],
)
def test_what_is_no_picture(inputs, data):
    with pytest.raises(BadPicture, match=r"PNG, JPEG"):
        inputs.add(data)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "0" * 64 + "\n"])
def test_ids_are_no_paths(inputs, name):
    with pytest.raises(NotFound):
        inputs.load(name)


def test_a_picture_that_is_gone_or_changed(inputs, tmp_path):
    with pytest.raises(NotFound, match="send it again"):
        inputs.load("0" * 64)
    name = inputs.add(file_of(scene()))
    path = tmp_path / "inputs" / f"{name}.png"
    path.write_bytes(file_of(Image.new("RGB", (10, 6))))
    with pytest.raises(BadPicture, match="damaged"):
        inputs.load(name)
    path.write_bytes(b"no picture")
    with pytest.raises(BadPicture):
        inputs.load(name)


def test_a_full_disk_and_what_a_crash_left(inputs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull, match="the input picture could not be saved"):
        inputs.add(file_of(scene()))
    assert list((tmp_path / "inputs").iterdir()) == []
    (tmp_path / "inputs" / ".abc.png.tmp").write_bytes(b"left by a crash")
    inputs.clean()
    assert list((tmp_path / "inputs").iterdir()) == []


def test_cleaning_leaves_alone_what_is_being_written(inputs):
    written = []

    def write():
        for shade in range(40):
            written.append(inputs.add(file_of(Image.new("RGB", (64, 64), (shade, 0, 0)))))

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        inputs.clean()
    assert len(written) == 40
    for name in written:
        inputs.check(name)


def mask_of(inputs: Inputs, picture: Image.Image, kind: str = "PNG", *, cut: bool = True) -> np.ndarray:
    return inputs.load(inputs.add_mask(file_of(picture, kind), cut=cut))


def test_a_mask_is_its_alpha_or_its_brightness(inputs):
    greys = Image.fromarray(np.array([[0, 100, 200, 255]], np.uint8))
    assert mask_of(inputs, greys).tolist() == [[0, 100, 200, 255]], "greys stay"
    assert mask_of(inputs, greys.convert("RGB")).tolist() == [[0, 100, 200, 255]]
    alpha = Image.merge("RGBA", [Image.new("L", (4, 1), 255)] * 3 + [Image.fromarray(np.array([[0, 128, 129, 255]], np.uint8))])
    assert mask_of(inputs, alpha).tolist() == [[0, 0, 255, 255]]
    assert mask_of(inputs, alpha, cut=False).tolist() == [[0, 128, 129, 255]]
    opaque = greys.convert("RGBA")
    assert mask_of(inputs, opaque).tolist() == [[0, 100, 200, 255]]


def test_masks_of_other_kinds(inputs):
    deep = Image.fromarray(np.array([[0, 0x80FF, 0xFFFF]], np.uint16))
    assert mask_of(inputs, deep).tolist() == [[0, 0x80, 0xFF]]
    assert mask_of(inputs, Image.fromarray(np.array([[True, False]]))).tolist() == [[255, 0]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 255, 255, 255])
    palette.putpixel((1, 0), 1)
    assert mask_of(inputs, palette).tolist() == [[0, 255]]
    with pytest.raises(BadPicture):
        inputs.add_mask(b"no picture")
    with pytest.raises(TooLarge, match="pixels"):
        inputs.add_mask(bomb(20_000, 20_000))


def test_a_mask_and_a_picture_of_one_look_are_two(inputs):
    grey = Image.new("L", (3, 2), 7)
    assert inputs.add_mask(file_of(grey)) != inputs.add(file_of(grey))
    assert inputs.load(inputs.add_mask(file_of(grey))).shape == (2, 3)
    assert inputs.size(inputs.add(file_of(grey))) == (3, 2)
    with pytest.raises(NotFound):
        inputs.size("0" * 64)


def test_of_a_moving_picture_the_first_frame(inputs):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=40)
    assert tuple(inputs.load(inputs.add(buffer.getvalue()))[0, 0]) == (255, 0, 0)


def test_inks_of_a_photo_become_colours(inputs):
    photo = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan: red
    red, green, blue = inputs.load(inputs.add(file_of(photo, "JPEG")))[8, 8]
    assert red > 200 and green < 60 and blue < 60


def test_a_cut_photo(inputs):
    photo = file_of(Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")
    with pytest.raises(BadPicture, match="cut short"):
        inputs.add(photo[: len(photo) // 2])
