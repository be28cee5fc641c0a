"""How an input picture becomes what is drawn on, and how what was drawn goes back onto it."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from app.recipes.colours import matched
from app.recipes.masks import Box, PixelMask, cut_out, filled
from app.recipes.resize import COVER, FIT, LATENT, STRETCH, InputPicture, Pixels, resized
from app.schema.params import GenerationParams

ORIGINAL = 1
"""`inpainting_fill`: what is under the mask stays at first."""
_ROWS_AT_ONCE = 512
"""Copies of a whole picture in several modes would take many times its own memory."""


@dataclass(frozen=True, eq=False)
class Touched:
    """A result after its last touches, and what is shown beside it."""

    pixels: Pixels
    beside: dict[str, Pixels] = field(default_factory=dict)
    """By what they are: `mask` (RGB) and `mask_composite` (RGBA)."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """The settings and the mask of one job. Pictures are decoded anew where they are needed, so that none are held meanwhile."""

    params: GenerationParams
    mask: PixelMask | None
    colours: InputPicture | None = None
    """Whose colours a result gets that is corrected; None: the picture's that it began with."""

    def ground(self, picture: InputPicture) -> Image.Image:
        """What the result is laid over: the input picture, at the job's size unless only a part of it is drawn."""
        image = Image.fromarray(picture()).convert("RGB")
        params = self.params
        if params.resize_mode == LATENT or (self.mask is not None and self.mask.box is not None):
            return image
        return resized(image, params.width, params.height, params.resize_mode)

    def start(self, picture: InputPicture) -> Pixels:
        """What is encoded: (height, width, 3) uint8."""
        image, mask = self.ground(picture), self.mask
        if mask is None:
            return np.asarray(image)
        size = self.params.width, self.params.height
        if mask.box is not None:
            image = resized(image.crop(mask.box), *size, FIT)
        if self.params.inpainting_fill != ORIGINAL:
            image = filled(image, resized(mask.filled, *image.size, STRETCH))
        return np.asarray(image)

    def finish(self, picture: InputPicture, pixels: Pixels, shown: Image.Image | None = None) -> Touched:
        """The result on its ground, with the colours of the input picture if they are wanted.

        `shown` is a mask of the job's size for this result, in the place of the job's own.
        """
        params, result = self.params, Image.fromarray(pixels)
        if params.img2img_color_correction:
            result = matched(result, Image.fromarray(self.start(self.colours or picture)))
        if self.mask is None:
            return Touched(np.asarray(result))
        ground, box = self.ground(picture), self.mask.box
        laid = self.mask.on(ground, params.resize_mode) if shown is None else _placed(shown, ground.size, box, "L")
        if not params.overlay_inpaint:
            return Touched(np.asarray(result), self._beside(result, laid))
        below = _placed(result, ground.size, box, "RGBA")
        return Touched(np.asarray(_laid_over(below, ground, laid)), self._beside(below, laid))

    def _beside(self, drawn: Image.Image, laid: Image.Image) -> dict[str, Pixels]:
        params, beside = self.params, dict[str, Pixels]()
        if params.return_mask or params.save_mask:
            beside["mask"] = np.asarray(laid.convert("RGB"))
        if params.return_mask_composite or params.save_mask_composite:
            shape = resized(laid, *drawn.size, FIT)
            alone = Image.composite(drawn.convert("RGBA").convert("RGBa"), Image.new("RGBa", drawn.size), shape)
            beside["mask_composite"] = np.asarray(alone.convert("RGBA"))
        return beside


def _placed(part: Image.Image, size: tuple[int, int], box: Box | None, mode: str) -> Image.Image:
    """What was drawn in its place on an empty picture; itself where all was drawn."""
    if box is None:
        return part
    left, top, right, bottom = box
    canvas = Image.new(mode, size)
    canvas.paste(resized(part, right - left, bottom - top, COVER), (left, top))
    return canvas


def _laid_over(below: Image.Image, ground: Image.Image, laid: Image.Image) -> Image.Image:
    """The result under the ground from which the mask has been cut out.

    Where their sizes differ (latents are resized, sides are no multiple of 8) both have the left upper corner in common, as in A1111.
    """
    if below.size != ground.size:
        return _composited(below, ground, laid)
    result, box = ground.copy(), laid.getbbox()
    if box is not None:
        result.paste(_composited(below.crop(box), ground.crop(box), laid.crop(box)), box[:2])
    return result


def _composited(below: Image.Image, ground: Image.Image, laid: Image.Image) -> Image.Image:
    result = Image.new("RGB", below.size)
    for top in range(0, below.height, _ROWS_AT_ONCE):
        band = (0, top, below.width, min(top + _ROWS_AT_ONCE, below.height))
        part = below.crop(band).convert("RGBA")
        over = (0, min(top, ground.height), ground.width, min(band[3], ground.height))
        if over[1] < over[3]:
            part.alpha_composite(cut_out(ground.crop(over), laid.crop(over)).convert("RGBA"))
        result.paste(part.convert("RGB"), band[:2])
    return result
