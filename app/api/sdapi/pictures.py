"""Pictures in JSON: base64 with or without a `data:` prefix."""

import binascii
from base64 import b64decode, b64encode

from PIL import Image

from app.api.sdapi.errors import FourKeyError, invalid_image
from app.api.upscale import opened
from app.jobs import Inputs
from app.metadata import PictureRecord, read_picture
from app.schema.errors import BadPicture, NotSupported


def decode_base64(text: object) -> bytes:
    """The picture file in a request; FourKeyError as A1111 answers for what is no base64."""
    if not isinstance(text, str) or not text:
        raise invalid_image()
    if text.startswith(("http://", "https://")):
        raise NotSupported("Pictures are not fetched from addresses; send the picture itself in base64.")
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return b64decode(encoded)
    except (binascii.Error, ValueError) as error:
        raise invalid_image() from error


def encode_base64(data: bytes) -> str:
    """A picture file for an answer, without prefix."""
    return b64encode(data).decode("ascii")


def data_uri(data: bytes, media_type: str) -> str:
    """A picture file for an answer, as a page shows it."""
    return f"data:{media_type};base64,{encode_base64(data)}"


def store_input(inputs: Inputs, text: object, background: str) -> str:
    """Id of an input picture of img2img; FourKeyError for what is no picture, TooLarge over the limits."""
    data = decode_base64(text)
    try:
        return inputs.add(data, background)
    except BadPicture as error:
        raise invalid_image() from error


def store_mask(inputs: Inputs, text: object, *, cut: bool) -> str:
    """Id of a mask; raises as `store_input`."""
    data = decode_base64(text)
    try:
        return inputs.add_mask(data, cut=cut)
    except BadPicture as error:
        raise invalid_image() from error


def read_base64(text: object) -> PictureRecord:
    """What the picture in a request says about itself; FourKeyError for what is no picture."""
    data = decode_base64(text)
    try:
        return read_picture(data)
    except BadPicture as error:
        raise invalid_image() from error


def open_base64(text: object) -> tuple[Image.Image, PictureRecord]:
    """The upright picture (RGB, or RGBA where it has transparency) and its record.

    FourKeyError for what is no picture, TooLarge over MAX_PIXELS.
    """
    data = decode_base64(text)
    try:
        return opened(data)
    except BadPicture as error:
        raise invalid_image() from error


__all__ = [
    "FourKeyError",
    "data_uri",
    "decode_base64",
    "encode_base64",
    "open_base64",
    "read_base64",
    "store_input",
    "store_mask",
]
