"""Outpainting: how far a picture grows, what the noise is made of, what cannot be."""

import numpy as np
import pytest
from PIL import Image

from app.schema.errors import InvalidParams
from app.scripts.matched_noise import matched_noise
from app.scripts.outpainting_mk2 import growth
from app.scripts.script import Draw, Open, Store

from .test_values import planned


def first_draw(plan, size):
    """The tasks of a plan's first Draw, and the pictures that it has stored before."""
    stored, answer = [], None
    while True:
        step = plan.steps.send(answer)
        if isinstance(step, Draw):
            return step.tasks, stored
        if isinstance(step, Open):
            answer = Image.new("RGB", size, "#c06030")
        elif isinstance(step, Store):
            stored.append(step.image)
            answer = f"{len(stored):064}"


@pytest.mark.parametrize(
    ("size", "before", "after", "found"), [(64, 16, 16, (32, 32)), (64, 32, 0, (64, 0)), (96, 0, 32, (0, 32)), (64, 0, 0, (0, 0))]
)
def test_a_picture_grows_to_whole_sixty_fours(size, before, after, found):
    assert growth(size, before, after) == found


def test_noise_leaves_the_known_part_alone_and_has_its_colours():
    random = np.random.default_rng(1)
    picture, mask = random.random((32, 48, 3)) * [0.2, 0.5, 0.9], np.zeros((32, 48, 3))
    mask[:, 24:] = 1
    picture[:, 24:] = 0
    noised = matched_noise(picture, mask, 1.0, 0.05)
    assert (noised[:, :24] == picture[:, :24]).all() and (noised == matched_noise(picture, mask, 1.0, 0.05)).all()
    for channel in range(3):
        new, old = noised[:, 24:, channel], picture[:, :24, channel]
        assert abs(new.mean() - old.mean()) < 0.02 and abs(new.std() - old.std()) < 0.02


def test_noise_without_anything_known_is_finite():
    assert np.isfinite(matched_noise(np.zeros((16, 16, 3)), np.ones((16, 16, 3)), 1.0, 0.5)).all()


def test_the_two_masks_keep_their_distance_from_the_seam():
    plan = planned("outpainting mk2", [None, 64, 4, ["right"], 1.0, 0.05], "img2img", width=128, height=128)
    tasks, stored = first_draw(plan, (128, 128))
    params = tasks[0].params
    assert (params.width, params.height, params.mask_blur_x, params.mask_blur_y) == (128, 128, 16, 0)
    mask, latent_mask = (np.asarray(image)[0] for image in stored[1:3])
    assert mask.argmax() == 128 - 64 - 4 + 1 and latent_mask.argmax() == 128 - 64 - 8 + 1, "Pillow's rectangles include their last pixel"


def test_tiles_that_are_known_are_not_drawn():
    args = [16, 4, 1, ["left", "right", "up", "down"]]
    tasks, _ = first_draw(planned("poor man's outpainting", args, "img2img"), (64, 64))
    assert [task.params.seed for task in tasks] == list(range(5, 13)) and len({task.params.mask for task in tasks}) == 8


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("outpainting mk2", [None, 64, 8, [], 1.0, 0.05], "at least one direction"),
        ("outpainting mk2", [None, 64, 8, ["north"], 1.0, 0.05], "a list of left, right, up, down"),
        ("poor man's outpainting", [64, 4, 0, ["left"]], "cannot overlap by 64"),
        ("poor man's outpainting", [16, 4, 7, ["left"]], "from 0 to 3"),
    ],
)
def test_what_cannot_be_is_said_at_once(name, arguments, words):
    with pytest.raises(InvalidParams) as raised:
        planned(name, arguments, "img2img")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("outpainting mk2", [None, 64, 8, ["left"], 1.0, 0.05], "would grow to 4160x2048; this script's limit is 8 megapixels"),
        ("poor man's outpainting", [4096, 4, 0, ["left", "right", "up", "down"]], "would grow to 12288x10240; this script's limit is 64"),
    ],
)
def test_a_canvas_that_would_fill_the_memory_is_refused(name, arguments, words):
    with pytest.raises(InvalidParams, match=words):
        first_draw(planned(name, arguments, "img2img", width=4608, height=4608), (4096, 2048))


@pytest.mark.parametrize(
    ("name", "arguments"), [("outpainting mk2", [None, 64, 40, ["left"], 1.0, 0.05]), ("poor man's outpainting", [32, 64, 0, ["left"]])]
)
def test_a_blur_that_does_not_fit_the_picture_is_said(name, arguments):
    with pytest.raises(InvalidParams, match="smaller"):
        first_draw(planned(name, arguments, "img2img"), (64, 64))
