"""Readers of picture files: one a format, chosen by the first bytes, because extensions on download sites are often wrong."""

from collections.abc import Callable

from app.metadata.containers import avif, gif, jpeg, png, simple, webp
from app.metadata.record import Limits, PictureRecord
from app.metadata.source import Data

Reader = Callable[[Data, Limits], PictureRecord]


def _whole(read: Callable[[bytes, Limits], PictureRecord]) -> Reader:
    """A reader that jumps about too much for slices: it gets all bytes at once."""
    return lambda data, limits: read(data[:], limits)


READERS: tuple[tuple[Callable[[bytes], bool], Reader], ...] = (
    (lambda data: data.startswith(png.SIGNATURE), png.read),
    (lambda data: data.startswith(jpeg.SIGNATURE), jpeg.read),
    (webp.is_webp, webp.read),
    (avif.is_avif, _whole(avif.read)),
    (lambda data: data.startswith(gif.SIGNATURES), _whole(gif.read)),
    (simple.is_bmp, _whole(simple.read_bmp)),
    (simple.is_tiff, _whole(simple.read_tiff)),
    (simple.is_ppm, _whole(simple.read_ppm)),
)
"""What the first bytes must be, and who reads on from there."""

_HEAD_BYTES = 16 * 1024


def reader_of(data: Data) -> Reader | None:
    """The reader for a file that begins like this; None if nobody knows it."""
    head = data[:_HEAD_BYTES]
    return next((reader for begins, reader in READERS if begins(head)), None)
