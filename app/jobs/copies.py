"""A smaller JPEG beside a picture whose file is too large to hand on (A1111's export_for_4chan)."""

from PIL import Image

from app.jobs.options import OptionsView
from app.metadata import encode_picture

_MEGABYTE = 1024**2
LEAST_QUALITY = 40


def smaller_copy(picture: Image.Image, infotext: str, file_bytes: int, options: OptionsView) -> bytes | None:
    """The copy as JPEG if the file or a side is over the options' limits, else None.

    Sides over the limit are scaled down to it; where the file would still be over its own, the quality falls in steps to 40 and no further.
    """
    limit_bytes, side = options.number("img_downscale_threshold") * _MEGABYTE, int(options.number("target_side_length"))
    if not options.switch("export_for_4chan") or (file_bytes <= limit_bytes and max(picture.size) <= side):
        return None
    copy = picture.convert("RGB")
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    quality = int(options.number("jpeg_quality"))
    data = encode_picture(copy, infotext, "jpg", quality=quality)
    while len(data) > limit_bytes and quality - 10 >= LEAST_QUALITY:
        quality -= 10
        data = encode_picture(copy, infotext, "jpg", quality=quality)
    return data
