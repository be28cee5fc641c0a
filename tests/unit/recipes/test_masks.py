"""Masks, and what is drawn under them going back onto the picture."""

from functools import partial

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import correlate1d

from app.recipes.canvas import Canvas
from app.recipes.lab import from_lab, to_lab
from app.recipes.masks import Masks, PixelMask, blurred, crop_box, gaussian_kernel, pixel_mask
from app.recipes.resize import COVER, FIT, LATENT, STRETCH
from app.recipes.soft import averaged
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, make_params

NOISE = np.random.default_rng(5)
A1111_EDGE = [0, 1, 3, 7, 12, 21, 32, 48, 67, 90, 115, 140, 165, 188, 207, 223, 234, 243, 248, 252, 254, 255]
"""What A1111 1.10.1 makes of a sharp edge with a mask blur of 4 (`return_mask` of an only-masked job)."""


def params(**values: object) -> GenerationParams:
    return make_params(**{"mode": "img2img", "init_images": ("x",), "mask": "m", "width": 64, "height": 64, **values})


def square(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def masked(settings: GenerationParams, mask: np.ndarray, *pictures: np.ndarray) -> PixelMask | None:
    """For pictures of the mask's size, if none are given."""
    return pixel_mask(settings, Masks(partial(np.array, mask)), [partial(np.array, each) for each in pictures or [mask]])


def picture(width: int, height: int) -> np.ndarray:
    return NOISE.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_blurred_edge_is_a1111s(axis: int) -> None:
    edge = square(64, 64, (32, 0, 64, 64))
    sigmas = (4, 0)
    if axis == 0:
        edge, sigmas = np.ascontiguousarray(edge.T), (0, 4)
    line = np.take(blurred(edge, *sigmas), 30, 1 - axis)
    assert line[21:43].tolist() == A1111_EDGE
    assert (blurred(edge, *reversed(sigmas)) == edge).all(), "along the edge nothing changes"


@pytest.mark.parametrize("sigma", [1, 2, 5, 16, 64, 256])
def test_a_blur_keeps_what_is_even(sigma: int) -> None:
    assert sum(gaussian_kernel(sigma)) == 256 and min(gaussian_kernel(sigma)) >= 0
    for shade in (0, 77, 255):
        flat = np.full((5, 3), shade, np.uint8)  # smaller than the kernel
        assert (blurred(flat, sigma, sigma) == shade).all()


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("box", [(20, 10, 30, 14), (0, 0, 3, 3), (60, 30, 64, 40), (0, 0, 64, 40)], ids=str)
def test_a_part_is_blurred_as_the_whole_is(ground: int, box: tuple[int, int, int, int]) -> None:
    mask = np.full((40, 64), ground, np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = NOISE.integers(0, 256, (box[3] - box[1], box[2] - box[0]))
    whole = mask
    for axis, sigma in ((1, 3), (0, 2)):
        weights = np.array(gaussian_kernel(sigma))
        reach = len(weights) // 2
        padded = np.pad(whole.astype(int), [(reach, reach) if one == axis else (0, 0) for one in (0, 1)], mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        whole = (windows @ weights + 128) // 256
    assert (blurred(mask, 3, 2) == whole).all()


@pytest.mark.parametrize("sigma", [39, 40, 64, 256])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 3), (37, 91), (300, 420)], ids=str)
def test_a_wide_blur_is_its_kernels_to_the_last_bit(size: tuple[int, int], sigma: int) -> None:
    mask = NOISE.integers(0, 256, size, np.uint8)
    whole = mask
    for axis in (1, 0):
        total = correlate1d(whole.astype(np.int64), gaussian_kernel(sigma), axis=axis, mode="mirror")
        whole = ((total + 128) // 256).astype(np.uint8)
    assert (blurred(mask, sigma, sigma) == whole).all()
    if min(size) > 100:
        edge = square(size[1], size[0], (100, 60, 220, 200))
        assert 0 < blurred(edge, sigma, 0).std() < edge.std()


@pytest.mark.parametrize(
    ("tight", "padding", "size", "expected"),
    [
        ((20, 20, 30, 30), 0, (64, 64), (20, 20, 30, 30)),
        ((20, 20, 30, 30), 5, (64, 64), (15, 15, 35, 35)),
        ((20, 20, 40, 30), 0, (64, 64), (20, 15, 40, 35)),
        ((20, 20, 30, 30), 0, (128, 64), (15, 20, 35, 30)),
        ((0, 0, 10, 40), 0, (64, 64), (0, 0, 40, 40)),
        ((90, 60, 100, 80), 0, (64, 64), (80, 60, 100, 80)),
        ((0, 0, 100, 10), 0, (64, 64), (0, 0, 100, 80)),
        ((0, 0, 1, 1), 500, (64, 64), (0, 0, 100, 80)),
    ],
    ids=["as it is", "padding", "higher", "wider", "at the edge", "at the other edge", "more than there is", "all of it"],
)
def test_the_part_that_is_drawn(tight, padding, size, expected) -> None:
    assert crop_box(tight, padding, size, (100, 80)) == expected


def test_an_empty_mask_has_no_part_to_draw_alone() -> None:
    empty, full = square(64, 64, (0, 0, 0, 0)), square(64, 64, (0, 0, 64, 64))
    assert masked(params(inpaint_full_res=True), empty) is None
    assert masked(params(inpaint_full_res=True, inpainting_mask_invert=True), full) is None
    whole = masked(params(), empty)
    assert whole is not None and whole.box is None and whole.drawn.getextrema() == (0, 0)


def test_outside_the_blurred_mask_the_original_stays_exactly() -> None:
    start, drawn = picture(96, 80), picture(96, 80)
    mask = square(96, 80, (30, 30, 60, 50))
    canvas = Canvas(settings := params(width=96, height=80, mask_blur_x=3, mask_blur_y=3), masked(settings, mask))
    result = canvas.finish(partial(np.array, start), drawn).pixels
    outside = blurred(mask, 3, 3) == 0
    assert 0 < outside.sum() < outside.size
    assert (result[outside] == start[outside]).all()
    inside = np.minimum(2 * blurred(mask, 3, 3).astype(int), 255) == 255
    assert (result[inside] == drawn[inside]).all()


def test_only_masked_draws_the_part_large_and_puts_it_back() -> None:
    start, mask = picture(200, 160), square(200, 160, (100, 40, 132, 72))
    settings = params(inpaint_full_res=True, inpaint_full_res_padding=0, mask_blur_x=0, mask_blur_y=0)
    canvas = Canvas(settings, masked(settings, mask))
    seen = canvas.start(partial(np.array, start))
    assert seen.shape == (64, 64, 3)
    assert (seen == np.asarray(Image.fromarray(start[40:72, 100:132]).resize((64, 64), Image.Resampling.LANCZOS))).all()
    result = canvas.finish(partial(np.array, start), np.full((64, 64, 3), 9, np.uint8)).pixels
    expected = start.copy()
    expected[40:72, 100:132] = 9
    assert (result == expected).all()


@pytest.mark.parametrize("side", [64, 512])
@pytest.mark.parametrize("mode", [STRETCH, COVER, FIT])
def test_only_masked_with_a_mask_of_another_size_draws_what_is_masked(side: int, mode: int) -> None:
    start, mask = picture(256, 256), square(side, side, (side // 2, side // 2, side, side))
    settings = params(inpaint_full_res=True, inpaint_full_res_padding=0, mask_blur_x=0, mask_blur_y=0, resize_mode=mode)
    found = masked(settings, mask, start)
    assert found is not None and found.box is not None and found.laid.size == (256, 256)
    reach = 3 * 4  # of Lanczos, where the mask is enlarged
    assert max(abs(one - other) for one, other in zip(found.box, (128, 128, 256, 256), strict=True)) <= reach
    result = Canvas(settings, found).finish(partial(np.array, start), np.full((64, 64, 3), 90, np.uint8)).pixels
    assert (result[140:, 140:] == 90).all(), "drawn, and not black"
    assert (result[:116] == start[:116]).all() and (result[:, :116] == start[:, :116]).all()


def test_only_masked_counts_in_pixels_of_the_mask_where_that_covers_all_as_a1111_does() -> None:
    settings = params(inpaint_full_res=True, inpaint_full_res_padding=8, mask_blur_x=4, mask_blur_y=4)
    mask = square(100, 100, (20, 30, 71, 63))
    own, other = masked(settings, mask), masked(settings, mask, picture(64, 64))
    assert own is not None and other is not None and own.box == other.box and other.laid.size == (100, 100)


def test_only_masked_with_a_mask_of_another_size_and_several_sizes_of_pictures_is_refused() -> None:
    mask, settings = square(64, 64, (32, 32, 64, 64)), params(inpaint_full_res=True, inpaint_full_res_padding=0)
    with pytest.raises(InvalidParams, match="one size"):
        masked(settings, mask, picture(256, 256), picture(128, 128))
    assert masked(settings, square(64, 64, (0, 0, 64, 64)), picture(64, 64), picture(40, 40)) is not None


def test_what_is_under_the_mask_is_filled_from_around_it() -> None:
    start = np.full((64, 64, 3), (200, 40, 90), np.uint8)
    start[16:48, 16:48] = (0, 255, 0)
    mask = square(64, 64, (16, 16, 48, 48))
    settings = params(inpainting_fill=0, mask_blur_x=0, mask_blur_y=0)
    seen = Canvas(settings, masked(settings, mask)).start(partial(np.array, start))
    assert np.abs(seen.astype(int) - (200, 40, 90)).max() <= 6  # faint layers of 8 bits have few colours


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 91)], ids=str)
@pytest.mark.parametrize("mask_size", [(1, 1), (64, 64), (120, 50)], ids=str)
@pytest.mark.parametrize("mode", [STRETCH, COVER, FIT, LATENT])
@pytest.mark.parametrize("only_masked", [False, True], ids=["whole", "only masked"])
def test_pictures_and_masks_of_every_shape(size, mask_size, mode, only_masked) -> None:
    settings = params(resize_mode=mode, inpaint_full_res=only_masked, inpainting_fill=0, return_mask=True, return_mask_composite=True)
    pixels = picture(*size)
    mask = masked(settings, np.full(mask_size[::-1], 255, np.uint8), pixels)
    canvas, start = Canvas(settings, mask), partial(np.array, pixels)
    seen = canvas.start(start)
    assert seen.shape == ((size[1], size[0], 3) if mode == LATENT and not only_masked else (64, 64, 3))
    touched = canvas.finish(start, picture(64, 64))
    assert touched.pixels.shape == ((size[1], size[0], 3) if only_masked else (64, 64, 3))
    assert {name: beside.shape[2] for name, beside in touched.beside.items()} == {"mask": 3, "mask_composite": 4}


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (255, 128, 128)),
        ((0, 0, 0), (0, 128, 128)),
        ((255, 0, 0), (136, 208, 195)),
        ((0, 255, 0), (224, 42, 211)),
        ((0, 0, 255), (82, 207, 20)),
        ((91, 5, 30), (45, 166, 138)),  # these two fall otherwise where its table of cube roots is not in single precision
        ((16, 61, 40), (57, 107, 137)),
    ],
)
def test_lab_is_opencvs(rgb, lab) -> None:
    """What cv2.cvtColor(..., COLOR_RGB2LAB) gives."""
    pixel = np.array([[rgb]], np.uint8)
    assert to_lab(pixel)[0, 0].tolist() == list(lab)
    assert np.abs(from_lab(to_lab(pixel)).astype(int) - pixel).max() <= 8  # 8 bits of L*a*b* are coarser than sRGB's


def test_colour_correction_takes_colours_and_keeps_light() -> None:
    grey = np.repeat(NOISE.integers(40, 216, (64, 64, 1), np.uint8), 3, axis=2)
    warm = (grey * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    settings = params(img2img_color_correction=True, mask="")
    result = Canvas(settings, None).finish(partial(np.array, warm), grey).pixels.astype(float)
    assert (result[..., 0] - result[..., 2]).mean() > 30, "grey became warm"
    light = result @ np.array([0.299, 0.587, 0.114])
    assert np.abs(light - grey[..., 0]).mean() < 2  # values are cut to whole numbers


def test_windows_of_soft_inpainting_leave_flat_and_lone_values() -> None:
    flat = np.full((70, 9), 3.5, np.float32)
    assert np.abs(averaged(flat, 0.25, 0.75) - 3.5).max() < 1e-5  # float32
    lone = np.zeros((70, 9), np.float32)
    lone[66, 4] = 8
    largest, middle = averaged(lone, 0.9, 1.0), averaged(lone, 0.25, 0.75)
    assert largest[66, 4] > 0 and largest[66, 8] == 0 and largest[60, 4] == 0
    assert middle.max() == 0, "one latent alone is not the middle of its window"
