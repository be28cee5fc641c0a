"""The upscalers that need no model, as A1111's extras use them: Lanczos and Nearest through Pillow."""

from dataclasses import dataclass

from PIL import Image

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
