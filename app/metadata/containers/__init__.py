"""Readers of picture files: one a format, chosen by the first bytes, because extensions on download sites are often wrong."""

from collections.abc import Callable

from app.metadata.containers import avif, gif, jpeg, png, simple, webp
from app.metadata.record import Limits, PictureRecord

Reader = Callable[[bytes, Limits], PictureRecord]

READERS: tuple[tuple[Callable[[bytes], bool], Reader], ...] = (
    (lambda data: data.startswith(png.SIGNATURE), png.read),
    (lambda data: data.startswith(jpeg.SIGNATURE), jpeg.read),
    (webp.is_webp, webp.read),
    (avif.is_avif, avif.read),
    (lambda data: data.startswith(gif.SIGNATURES), gif.read),
    (simple.is_bmp, simple.read_bmp),
    (simple.is_tiff, simple.read_tiff),
    (simple.is_ppm, simple.read_ppm),
)
"""What the first bytes must be, and who reads on from there."""


def reader_of(data: bytes) -> Reader | None:
    """The reader for a file that begins like this; None if nobody knows it."""
    return next((reader for begins, reader in READERS if begins(data)), None)
