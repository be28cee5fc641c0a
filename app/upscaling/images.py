"""The registry of image upscalers, and how A1111 comes from one of them to a wanted size."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image

from app.schema.errors import InvalidParams, UnknownName
from app.schema.params import MAX_PIXELS
from app.schema.upscalers import IMAGE_UPSCALERS, NO_UPSCALER

GRID_PX = 8
"""A1111 gives upscaled pictures sides of whole eights."""

Upscaler = Callable[[Image.Image, int, int], Image.Image]
"""(picture, width, height) to a larger picture of about that size."""


def _with(how: Image.Resampling) -> Upscaler:
    return lambda image, width, height: image.resize((width, height), how)


UPSCALERS: Mapping[str, Upscaler] = MappingProxyType(
    {"Lanczos": _with(Image.Resampling.LANCZOS), "Nearest": _with(Image.Resampling.NEAREST)}
)
"""By the schema's names; None is the absence of one."""


def times(image: Image.Image, factor: float, name: str) -> Image.Image:
    """The picture enlarged by a factor, its sides then brought to whole eights. InvalidParams for a senseless size, UnknownName."""
    if name not in UPSCALERS:
        raise UnknownName("upscaler", name, IMAGE_UPSCALERS)
    if not image.width * image.height * factor * factor < 2 * MAX_PIXELS:
        raise InvalidParams(f"{image.width}x{image.height} times {factor:g} is over {MAX_PIXELS // 1024**2} megapixels.")
    asked = int(image.width * factor), int(image.height * factor)
    final = asked[0] // GRID_PX * GRID_PX, asked[1] // GRID_PX * GRID_PX
    if min(final) < GRID_PX or final[0] * final[1] > MAX_PIXELS:
        raise InvalidParams(
            f"{image.width}x{image.height} times {factor:g} is {asked[0]}x{asked[1]}; sides of at least {GRID_PX} pixels "
            f"and at most {MAX_PIXELS // 1024**2} megapixels are possible."
        )
    return _fitted(UPSCALERS[name](image, *asked), *final)


def enlarged(image: Image.Image, width: int, height: int, name: str) -> Image.Image:
    """The picture at exactly this size: through the upscaler where it has to grow, the rest, and all of it without one, by Lanczos."""
    factor = max(width / image.width, height / image.height)
    if name != NO_UPSCALER and factor > 1:
        image = times(image, factor, name)
    return _fitted(image, width, height)


def _fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)
