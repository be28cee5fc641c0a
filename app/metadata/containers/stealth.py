"""Stealth PNG info: a text in the lowest bits of the pixels, which survives sites that take the text chunks away.

The bits run down the columns, the highest of a byte first: a signature of 15 bytes, the length in bits (32, big-endian), the text,
plain or in gzip. They lie in alpha, or in red, green and blue in turn. Only lossless pixels can hold them.
"""

import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from app.metadata.record import Limits, PictureRecord
from app.metadata.source import Data

_SIGNATURES = {
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
_SIGNATURE_BITS = 120
_HEAD_BITS = _SIGNATURE_BITS + 32
_LOWEST = bytes(b"01"[value & 1] for value in range(256))


@dataclass(frozen=True)
class HiddenText:
    """What was found, and where."""

    text: str
    place: str


def hidden_text(data: Data, record: PictureRecord, limits: Limits) -> HiddenText | None:
    """The text in the pixels of a PNG or lossless WebP; None if there is none, or the pixels cannot be decoded.

    No more than `limits.hidden_pixels` are decoded, no more than `limits.text_bytes` of text come out.
    """
    if record.width * record.height > limits.hidden_pixels or not _is_lossless(data, record):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's words about broken files: such a file has no text
            with Image.open(BytesIO(data[:]), formats=("PNG", "WEBP")) as image:
                if image.mode not in ("RGB", "RGBA") or image.size != (record.width, record.height):
                    return None
                for channels in ("A", "RGB") if image.mode == "RGBA" else ("RGB",):
                    if (found := _read(image, channels, limits)) is not None:
                        return found
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError, zlib.error):
        return None
    return None


def silenced(data: bytes, record: PictureRecord, limits: Limits) -> bytes:
    """The file painted anew without the text in its pixels' lowest bits; the file itself if there is none."""
    found = hidden_text(data, record, limits)
    if found is None:
        return data
    with Image.open(BytesIO(data), formats=("PNG", "WEBP")) as image:
        bands = list(image.split())
        if _SIGNATURES[found.place.encode()][0] == "A":
            bands[3] = bands[3].point([value | 1 for value in range(256)])
        else:
            bands[:3] = [band.point([value & ~1 for value in range(256)]) for band in bands[:3]]
        out = BytesIO()
        Image.merge(image.mode, bands).save(out, image.format, **({"lossless": True} if image.format == "WEBP" else {}))
    return out.getvalue()


def _is_lossless(data: Data, record: PictureRecord) -> bool:
    return record.format == "PNG" or (record.format == "WEBP" and b"VP8L" in data[:4096])


def _read(image: Image.Image, channels: str, limits: Limits) -> HiddenText | None:
    def bits(count: int) -> bytes:
        """The first bits as the characters 0 and 1; only the columns that hold them are looked at."""
        columns = min(image.width, -(-count // (image.height * len(channels))))
        strip = image.crop((0, 0, columns, image.height))
        strip = strip.getchannel("A") if channels == "A" else strip.convert("RGB")
        return strip.transpose(Image.Transpose.TRANSPOSE).tobytes().translate(_LOWEST)[:count]

    head = bits(_HEAD_BITS)
    if len(head) < _HEAD_BITS:
        return None
    signature = _packed(head[:_SIGNATURE_BITS])
    where, is_packed = _SIGNATURES.get(signature, ("", False))
    length = int(head[_SIGNATURE_BITS:], 2)
    room = image.width * image.height * len(channels) - _HEAD_BITS
    if where != channels or not 0 < length <= min(room, 8 * limits.text_bytes):
        return None
    raw = _packed(bits(_HEAD_BITS + length)[_HEAD_BITS:])
    if is_packed:
        raw = zlib.decompressobj(wbits=31).decompress(raw, limits.text_bytes)
    return HiddenText(raw.decode("utf-8", "replace").rstrip("\x00"), signature.decode("ascii"))


def _packed(bits: bytes) -> bytes:
    whole = len(bits) // 8 * 8
    return int(bits[:whole] or b"0", 2).to_bytes(whole // 8, "big")
