"""Masks as pixels: blurred, cut to the part that is drawn, brought to the job's size."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from scipy.fft import dct, idct
from scipy.ndimage import correlate1d
from torch import Tensor

from app.recipes.resize import FIT, STRETCH, InputPicture, Pixels, resized
from app.recipes.settings import label_of
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are outside."""
KERNEL_SIGMAS = 2.5
"""How far a blur reaches on either side, in its sigmas."""
_UNIT = 256
_WIDE = 40
"""Sigma from which a blur by cosine transform is faster than one by its kernel."""
_ROWS_AT_ONCE = 256
FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""(radius in pixels, how often it is laid on) of the blurs that fill what is under a mask, widest first."""


@dataclass(frozen=True)
class Masks:
    """A job's stored masks; without the second one the first serves for the latents, too."""

    pixels: InputPicture | None = None
    latents: InputPicture | None = None


@dataclass(frozen=True, kw_only=True)
class PixelMask:
    """A job's mask at its two sizes; white is drawn anew."""

    drawn: Image.Image
    """Grey, of the job's size: what is drawn anew of the picture that is encoded."""
    laid: Image.Image
    """Grey, of the ground's size: where the result is laid over the ground."""
    latents: Image.Image | None = None
    """Grey, of the job's size: what is drawn anew of the latents, and filled before, where that is not `drawn`."""
    box: Box | None = None
    """The part of the ground that is drawn; None: all of it."""
    told: dict[str, str] = field(default_factory=dict)
    """Infotext fields of settings that acted."""

    @property
    def filled(self) -> Image.Image:
        """What is filled before it is encoded: grey, of the job's size."""
        return self.drawn if self.latents is None else self.latents

    def latent(self, height: int, width: int, *, whole: bool) -> Tensor:
        """(1, 1, height, width) float32 in 0..1, what is drawn anew of the latents; `whole`: each latent or nothing of it."""
        return _share(self.filled.resize((width, height), Image.Resampling.BICUBIC), whole=whole)

    def pixels(self, height: int, width: int, *, whole: bool) -> Tensor:
        """The same for the pixels of the picture that is encoded."""
        return _share(resized(self.drawn, width, height, STRETCH), whole=whole)

    def on(self, ground: Image.Image, mode: int) -> Image.Image:
        """Where the result is laid over a ground, which may be of another size than the mask was."""
        return self.laid if self.laid.size == ground.size else resized(self.laid, *ground.size, mode)


def rounds(params: GenerationParams) -> bool:
    """Whether each latent is drawn anew or kept, with nothing in between."""
    return params.mask_round and not params.soft_inpainting


def _share(mask: Image.Image, *, whole: bool) -> Tensor:
    share = torch.from_numpy(np.array(mask)).float()[None, None] / 255
    return share.round() if whole else share


def pixel_mask(params: GenerationParams, masks: Masks, pictures: Sequence[InputPicture]) -> PixelMask | None:
    """The masks as the settings want them; None without one, and where only the masked part is to be drawn and there is none."""
    if masks.pixels is None:
        return None
    image = Image.fromarray(masks.pixels())
    if params.inpainting_mask_invert:
        image = ImageOps.invert(image)
    image = Image.fromarray(blurred(np.asarray(image), params.mask_blur_x, params.mask_blur_y))
    size = params.width, params.height
    if not params.inpaint_full_res:
        drawn = resized(image, *size, params.resize_mode)
        latents = None if masks.latents is None else resized(Image.fromarray(masks.latents()), *size, params.resize_mode)
        return PixelMask(drawn=drawn, laid=drawn.point(lambda value: min(2 * value, 255)), latents=latents)
    return _only_masked(params, image, pictures)


def _only_masked(params: GenerationParams, image: Image.Image, pictures: Sequence[InputPicture]) -> PixelMask | None:
    """The part around what is masked; InvalidParams if pictures of several sizes would need several masks.

    A1111 counts the part in pixels of the mask and cuts it out of the picture, whatever their sizes, and so do we as long as all that is
    masked lies in it. Elsewhere the result would have black holes, and the mask is brought to the picture's size first.
    """
    box = _part(params, image)
    if box is None:
        return None
    sizes = {(pixels.shape[1], pixels.shape[0]) for pixels in (picture() for picture in dict.fromkeys(pictures))}
    if any(_leaves_holes(resized(image, *size, params.resize_mode), box) for size in sizes):
        if len(sizes) > 1:
            raise InvalidParams("Only masked with a mask of another size wants pictures of one size; bring the mask to theirs.")
        image = resized(image, *sizes.pop(), params.resize_mode)
        box = _part(params, image) or box
    told = {
        label_of("inpaint_full_res"): "Only masked",
        label_of("inpaint_full_res_padding"): str(params.inpaint_full_res_padding),
    }
    return PixelMask(drawn=resized(image.crop(box), params.width, params.height, FIT), laid=image, box=box, told=told)


def _part(params: GenerationParams, image: Image.Image) -> Box | None:
    tight = image.getbbox()
    return None if tight is None else crop_box(tight, params.inpaint_full_res_padding, (params.width, params.height), image.size)


def _leaves_holes(laid: Image.Image, box: Box) -> bool:
    """Whether something is masked that nothing is drawn for."""
    tight = laid.getbbox()
    return tight is not None and not (box[0] <= tight[0] and box[1] <= tight[1] and tight[2] <= box[2] and tight[3] <= box[3])


def blurred(mask: Pixels, sigma_x: int, sigma_y: int) -> Pixels:
    """Gaussian blur of (height, width) uint8, each axis by itself and rounded in between; the picture is mirrored at its edges.

    What is far from every border in the mask stays as it is and costs nothing.
    """
    ground = mask[0, 0]
    box = Image.fromarray(mask != ground).getbbox()
    if box is None:
        return mask
    (left, right), (top, bottom) = _reached(box[0], box[2], sigma_x, mask.shape[1]), _reached(box[1], box[3], sigma_y, mask.shape[0])
    result = mask.copy()
    result[top:bottom, left:right] = _blurred_all(mask[top:bottom, left:right], sigma_x, sigma_y)
    return result


def _reached(low: int, high: int, sigma: int, limit: int) -> tuple[int, int]:
    """A stretch with so much around it that what is mirrored at its ends is as even as what it stands for."""
    reach = 2 * _reach(sigma)
    return max(0, low - reach), min(limit, high + reach)


def _reach(sigma: int) -> int:
    return int(KERNEL_SIGMAS * sigma + 0.5)


def _blurred_all(mask: Pixels, sigma_x: int, sigma_y: int) -> Pixels:
    for axis, sigma in ((1, sigma_x), (0, sigma_y)):
        if sigma >= _WIDE and mask.shape[axis] > 1:
            mask = _blurred_wide(mask, sigma) if axis == 1 else _blurred_wide(mask.T, sigma).T
        elif sigma > 0:
            mask = _rounded(correlate1d(mask.astype(np.uint16), gaussian_kernel(sigma), axis=axis, mode="mirror"))
    return mask


def _blurred_wide(mask: Pixels, sigma: int) -> Pixels:
    """Along rows of at least two pixels, the same to the last bit at a cost that does not grow with sigma.

    The cosine transform of the first kind has the mirrored edges, and turns the kernel into factors. Sums are whole numbers under 2^16,
    which float64 finds by rounding.
    """
    width, reach = mask.shape[1], _reach(sigma)
    angles = np.outer(np.arange(reach + 1), np.arange(width)) * (np.pi / (width - 1))
    weights = np.array(gaussian_kernel(sigma)[reach:]) * np.where(np.arange(reach + 1) == 0, 1, 2)
    factors, result = weights @ np.cos(angles), np.empty(mask.shape, np.uint8)
    for top in range(0, len(mask), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        total = idct(dct(mask[rows].astype(np.float64), type=1) * factors, type=1)
        result[rows] = _rounded(np.rint(total).astype(np.uint16))
    return result


def _rounded(total: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Pixels:
    return ((total + _UNIT // 2) // _UNIT).astype(np.uint8)


def gaussian_kernel(sigma: int) -> list[int]:
    """Weights that add up to 256, in whole numbers as OpenCV has them for 8-bit pixels, so that masks are A1111's to the last bit.

    The rounding of each weight is carried over to the next one, from the ends inwards; the middle takes the rest.
    """
    reach = _reach(sigma)
    exact = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    half, carried = list[int](), 0.0
    for weight in exact[:reach] / exact.sum() * _UNIT:
        half.append(round(float(weight) + carried))
        carried += float(weight) - half[-1]
    return [*half, _UNIT - 2 * sum(half), *reversed(half)]


def crop_box(tight: Box, padding: int, size: tuple[int, int], picture: tuple[int, int]) -> Box:
    """The masked part with its surroundings, grown along one side to the shape of `size` (width, height) as far as the picture reaches."""
    left, top = max(tight[0] - padding, 0), max(tight[1] - padding, 0)
    right, bottom = min(tight[2] + padding, picture[0]), min(tight[3] + padding, picture[1])
    shape = size[0] / size[1]
    if (right - left) / (bottom - top) > shape:
        top, bottom = _grown(top, bottom, (right - left) / shape, picture[1])
    else:
        left, right = _grown(left, right, (bottom - top) * shape, picture[0])
    return left, top, right, bottom


def _grown(low: int, high: int, wanted: float, limit: int) -> tuple[int, int]:
    """A stretch of about the wanted length around the old one, moved to lie within 0..limit."""
    more = int(wanted - (high - low))
    low -= more // 2
    high += more - more // 2
    if high > limit:
        low, high = low - (high - limit), limit
    if low < 0:
        low, high = 0, min(high - low, limit)
    return low, high


def cut_out(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture without what is under the mask: RGBa, colours multiplied by what is left of them."""
    left = Image.new("RGBa", picture.size)
    left.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    return left


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture with the colours around the mask spread under it (masked content "fill"), RGB."""
    ground = Image.new("RGBA", picture.size)
    rest = cut_out(picture, mask)
    for radius, times in FILL_BLURS:
        spread = rest.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            ground.alpha_composite(spread)
    return ground.convert("RGB")
