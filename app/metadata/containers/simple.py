"""BMP, TIFF and PPM: nothing but a size, though a TIFF file is itself the kind of block in which EXIF stands."""

import re
import struct

from app.metadata.containers.exif import raw_comment, tiff_size
from app.metadata.containers.texts import commented
from app.metadata.record import Limits, PictureRecord, check_text
from app.schema.errors import BadPicture

_PPM = re.compile(rb"P[1-6](?:\s|#[^\n\r]{0,1000}[\n\r]){1,100}(\d{1,9})\s{1,100}(\d{1,9})\s")


def is_bmp(data: bytes) -> bool:
    """Whether the first bytes are those of a BMP file: its mark, and the size of a header that exists."""
    return data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in (12, 40, 52, 56, 64, 108, 124) and len(data) >= 26


def read_bmp(data: bytes, limits: Limits) -> PictureRecord:
    """The record of a BMP file; rows may run from the top, which a negative height says."""
    old = data[14] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return commented("BMP", (width, abs(height)), b"", {})


def is_tiff(data: bytes) -> bool:
    """Whether the first bytes are those of a TIFF file."""
    return data.startswith((b"II*\x00", b"MM\x00*"))


def read_tiff(data: bytes, limits: Limits) -> PictureRecord:
    """The record of a TIFF file's first picture; BadPicture if its directory does not say a size."""
    size = tiff_size(data)
    if size is None:
        raise BadPicture("The TIFF file has no picture in it, or is cut off.")
    check_text(len(raw_comment(data)), limits)
    return commented("TIFF", size, data, {})


def is_ppm(data: bytes) -> bool:
    """Whether the first bytes are those of a PPM, PGM or PBM file with its size."""
    return _PPM.match(data) is not None


def read_ppm(data: bytes, limits: Limits) -> PictureRecord:
    """The record of a PPM, PGM or PBM file."""
    found = _PPM.match(data)
    assert found is not None, "is_ppm chose this reader"
    return commented("PPM", (int(found[1]), int(found[2])), b"", {})
