"""Stripped copies: nothing of the settings left, every pixel as it was."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

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


def jpeg(**options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def test_a_second_jpeg_behind_the_end_goes() -> None:
    first, second = jpeg(), jpeg(exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00" + SECRET.encode())
    index = segment(0xE2, b"MPF\x00" + SECRET.encode())
    assert stripped(first[:2] + index + first[2:] + second) == stripped(first)
    assert np.array_equal(pixels(stripped(first)), pixels(first))


@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 1}], ids=["plain", "restarts"])
def test_texts_between_the_scans_of_a_progressive_jpeg_go(options: dict[str, int]) -> None:
    plain = jpeg(progressive=True, quality=90, **options)
    tables = [at for at in range(plain.index(b"\xff\xda"), len(plain)) if plain[at : at + 2] in (b"\xff\xc4", b"\xff\xda")]
    assert len(tables) > 3
    data = plain
    for at in reversed(tables[1:]):
        data = data[:at] + segment(0xFE, SECRET.encode()) + segment(0xE1, SECRET.encode()) + data[at:]
    bare = stripped(data)
    assert bare == stripped(plain) and SECRET.encode() not in bare and np.array_equal(pixels(bare), pixels(plain))


def test_a_jpeg_keeps_what_its_colours_need_and_no_other_application_segment() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = BytesIO()
    Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]]), "CMYK").save(buffer, "JPEG", icc_profile=profile)
    data = buffer.getvalue()
    for number in range(16):
        data = data[:2] + segment(0xE0 + number, SECRET.encode()) + data[2:]
    bare = stripped(data)
    assert SECRET.encode() not in bare and np.array_equal(pixels(bare), pixels(buffer.getvalue()))
    with Image.open(BytesIO(bare)) as picture:
        assert picture.info["icc_profile"] == profile and "adobe" in picture.info


def test_a_jpeg_without_its_end_is_told() -> None:
    with pytest.raises(BadPicture, match="end marker"):
        stripped(jpeg()[:-2])


def test_unknown_chunks_of_a_png_and_what_is_behind_its_end_go() -> None:
    buffer = BytesIO()
    texts = PngImagePlugin.PngInfo()
    for kind in (b"prVt", b"sPLT", b"caBX", b"tIME"):
        texts.add(kind, SECRET.encode())
    Image.fromarray(PIXELS).save(buffer, "PNG", pnginfo=texts, dpi=(300, 300))
    data = buffer.getvalue()
    assert data.count(SECRET.encode()) >= 2
    bare = stripped(data + SECRET.encode())
    assert SECRET.encode() not in bare and b"pHYs" in bare and bare.endswith(b"IEND\xaeB`\x82")
    assert np.array_equal(pixels(bare), pixels(data))


def test_animations_and_transparency_of_a_png_stay() -> None:
    frames = [Image.fromarray(PIXELS // part).quantize(8) for part in (1, 2)]
    buffer = BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], transparency=0)
    bare = stripped(buffer.getvalue())
    assert bare == buffer.getvalue() and all(kind in bare for kind in (b"acTL", b"fcTL", b"fdAT", b"tRNS"))


def test_unknown_chunks_of_a_webp_go() -> None:
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, "WEBP", lossless=True)
    data = buffer.getvalue()
    more = data[8:] + b"note" + len(SECRET.encode()).to_bytes(4, "little") + SECRET.encode() + bytes(len(SECRET) % 2)
    assert stripped(b"RIFF" + len(more).to_bytes(4, "little") + more + SECRET.encode()) == data


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
