"""Two pictures held against each other: which settings differ, and which pixels."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from app.gallery.entry import told_by
from app.metadata.infotext import split_infotext
from app.schema.errors import BadPicture, InvalidParams
from app.schema.params import MAX_PIXELS

AMPLIFIED = 8
"""How much brighter the picture of differences is than the differences."""


@dataclass(frozen=True, kw_only=True)
class SettingPair:
    """One setting of two pictures; empty where a picture does not tell it."""

    label: str
    one: str
    other: str


@dataclass(frozen=True, kw_only=True)
class PixelDifference:
    """Over all channels, 0 to 255."""

    mean: float
    maximum: int
    share: float
    """Share of the pixels that differ at all."""


def setting_pairs(one: Path, other: Path) -> list[SettingPair]:
    """Every setting that either picture tells, in the first one's order; prompts first."""
    first, second = _said(one), _said(other)
    labels = dict.fromkeys((*first, *second))
    return [SettingPair(label=label, one=first.get(label, ""), other=second.get(label, "")) for label in labels]


def pixel_difference(one: Path, other: Path) -> PixelDifference | None:
    """How far the pixels are apart; None for pictures of different sizes."""
    pictures = _both(one, other)
    if pictures is None:
        return None
    apart = np.asarray(ImageChops.difference(*pictures))
    return PixelDifference(mean=float(apart.mean()), maximum=int(apart.max()), share=float((apart.max(axis=2) > 0).mean()))


def difference_png(one: Path, other: Path) -> bytes:
    """The differences as a picture, brighter than they are; InvalidParams for pictures of different sizes."""
    pictures = _both(one, other)
    if pictures is None:
        raise InvalidParams("The two pictures have different sizes, so their pixels cannot be compared.")
    buffer = io.BytesIO()
    ImageChops.difference(*pictures).point(lambda value: min(255, value * AMPLIFIED)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _said(path: Path) -> dict[str, str]:
    prompt, negative, pairs = split_infotext(told_by(path).infotext)
    return {"Prompt": prompt, "Negative prompt": negative, **dict(pairs)}


def _both(one: Path, other: Path) -> tuple[Image.Image, Image.Image] | None:
    first, second = _opened(one), _opened(other)
    return (first, second) if first.size == second.size else None


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadPicture(f"{path.name} has more pixels than are compared here.")
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadPicture(f"{path.name} cannot be decoded.") from error
