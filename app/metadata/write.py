"""Pictures with their infotext inside, as A1111 writes them: PNG with a text chunk, the others with an EXIF UserComment."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

from app.metadata.containers.exif import PREFIX, tiff_block
from app.metadata.containers.jpeg import MAX_SEGMENT
from app.metadata.containers.png import PARAMETERS
from app.metadata.infotext import clean
from app.schema.errors import UnknownName

FORMATS: Mapping[str, str] = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
"""What option samples_format may be, and Pillow's name for it."""

COMPRESS_LEVEL = 4
"""Of PNG. Noisy 1024x1024 pixels, one core: level 6 (Pillow's own) 0.33 s and 1.58 MB, 4: 0.19 s and 1.57 MB, 1: 0.09 s and 1.84 MB."""

Pixels = Any
"""A PIL image, or an array of uint8 (height, width, 3)."""


def encode_picture(
    picture: Pixels,
    infotext: str,
    format: str = "png",
    *,
    quality: int = 80,
    lossless: bool = False,
    chunks: Mapping[str, str] | None = None,
) -> bytes:
    """The file's bytes in a format of `FORMATS`; UnknownName for another one.

    `quality` (1 to 100) counts for JPEG, WebP and AVIF, `lossless` for WebP. An empty infotext leaves no trace in the file.
    `chunks` are further texts by keyword, which only PNG has room for.
    """
    kind = FORMATS.get(format.lower())
    if kind is None:
        raise UnknownName("picture format", format, FORMATS)
    if kind == "PNG":
        return save_png_bytes(picture, infotext, chunks)
    image, buffer = as_image(picture), BytesIO()
    block = tiff_block(clean(infotext)) if infotext else b""
    if kind == "JPEG":
        image.convert("RGB").save(buffer, kind, quality=quality)
        return _with_exif(buffer.getvalue(), block)
    options = {"exif": PREFIX + block if kind == "AVIF" else block} if block else {}
    image.save(buffer, kind, quality=quality, **options, **({"lossless": lossless} if kind == "WEBP" else {}))
    return buffer.getvalue()


def save_png_bytes(picture: Pixels, infotext: str, chunks: Mapping[str, str] | None = None) -> bytes:
    """A PNG with the infotext under `parameters` and further texts by keyword (1 to 79 Latin-1 characters)."""
    texts = PngImagePlugin.PngInfo()
    for keyword, text in {PARAMETERS: infotext, **(chunks or {})}.items():
        if text:
            _add_text(texts, keyword, clean(text))
    buffer = BytesIO()
    as_image(picture).save(buffer, "PNG", pnginfo=texts, compress_level=COMPRESS_LEVEL)
    return buffer.getvalue()


def as_image(picture: Pixels) -> Image.Image:
    """The PIL image itself, or one around an array; ValueError for an array that is not uint8 (height, width, 3)."""
    if isinstance(picture, Image.Image):
        return picture
    if getattr(picture, "dtype", None) != "uint8" or len(picture.shape) != 3 or picture.shape[2] != 3:
        raise ValueError("pixels must be an array of uint8 (height, width, 3)")
    return Image.fromarray(picture)


def _add_text(texts: PngImagePlugin.PngInfo, keyword: str, text: str) -> None:
    """tEXt where Latin-1 is enough, as Pillow does, but never where a reader that expects UTF-8 there would see other words."""
    try:
        raw = text.encode("latin-1")
        plain = text.isascii() or raw.decode("utf-8", "replace").find("\ufffd") >= 0
    except UnicodeEncodeError:
        plain = False
    if plain:
        texts.add_text(keyword, text)
    else:
        texts.add_itxt(keyword, text)


def _with_exif(jpeg: bytes, block: bytes) -> bytes:
    """The JPEG with its EXIF right behind the start marker; what is too long for one segment goes on in the next, as Pillow reads it."""
    room = MAX_SEGMENT - len(PREFIX)
    segments = bytearray()
    for start in range(0, len(block), room):
        body = PREFIX + block[start : start + room]
        segments += b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return jpeg[:2] + bytes(segments) + jpeg[2:]
