"""The upscalers that need no model, as A1111's extras use them: Lanczos and Nearest through Pillow; and the files that come of it."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageOps

from app.jobs import OptionsView
from app.jobs.inputs import FORMATS, check_pixels, eight_bit
from app.metadata import PictureRecord, encode_picture, read_picture, save_png_bytes
from app.schema.errors import BadPicture
from app.schema.upscalers import NO_UPSCALER
from app.upscaling import times


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """What to do with one picture: a factor, or a size to reach (cut to it when `crop`)."""

    factor: float = 2.0
    size: tuple[int, int] | None = None
    """(width, height)."""
    crop: bool = True
    first: str = NO_UPSCALER
    second: str = NO_UPSCALER
    second_share: float = 0.0
    """How much of the second upscaler's picture is mixed in, 0..1."""

    def info(self) -> str:
        """The text A1111 writes into the chunk `postprocessing`; empty when nothing is done."""
        if self.first == NO_UPSCALER:
            return ""
        fields = [f"Postprocess upscale by: {self.factor}"]
        if self.size is not None:
            wanted = f"{self.size[0]}x{self.size[1]}"
            fields = [f"Postprocess upscale to: {wanted}", *([f"Postprocess crop to: {wanted}"] if self.crop else [])]
        fields.append(f"Postprocess upscaler: {self.first}")
        if self._mixes:
            fields.append(f"Postprocess upscaler 2: {self.second}")
        return ", ".join(fields)

    def apply(self, picture: Image.Image) -> Image.Image:
        """The picture, upscaled; the picture itself when the first upscaler is None. InvalidParams for a senseless size."""
        if self.first == NO_UPSCALER:
            return picture
        factor = self.factor
        if self.size is not None:
            factor = max(self.size[0] / picture.width, self.size[1] / picture.height)
        result = times(picture, factor, self.first)
        if self._mixes:
            result = Image.blend(result, times(picture, factor, self.second), self.second_share)
        if self.size is not None and self.crop:
            left, top = (result.width - self.size[0]) // 2, (result.height - self.size[1]) // 2
            result = result.crop((left, top, left + self.size[0], top + self.size[1]))
        return result

    @property
    def _mixes(self) -> bool:
        return self.second != NO_UPSCALER and self.second_share > 0


def opened(data: bytes) -> tuple[Image.Image, PictureRecord]:
    """The upright picture in a file (RGB, or RGBA where it has transparency; of an animation the first one) and its record.

    BadPicture for what is no picture, TooLarge over MAX_PIXELS.
    """
    try:
        record = read_picture(data)  # checks the sizes before anything is decoded
        with Image.open(io.BytesIO(data), formats=FORMATS) as found:
            check_pixels(found)
            picture = eight_bit(ImageOps.exif_transpose(found))
        return picture.convert("RGBA" if picture.mode in ("RGBA", "LA") else "RGB"), record
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BadPicture("The file is no picture that can be read, or it is cut short. PNG, JPEG, WebP, AVIF and GIF work.") from error


def encoded(picture: Image.Image, record: PictureRecord, done: str, options: OptionsView, keywords: Iterable[str]) -> tuple[bytes, str]:
    """(file, format): in the options' format, with what the picture said before; a PNG also says what was done to it, by these keywords."""
    kind = options.text("samples_format")
    if kind == "png":
        return save_png_bytes(picture, record.text, dict.fromkeys(keywords, done)), kind
    quality, lossless = int(options.number("jpeg_quality")), options.switch("webp_lossless")
    return encode_picture(picture, done or record.text, kind, quality=quality, lossless=lossless), kind
