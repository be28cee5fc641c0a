"""Input pictures in a recipe: decoded one at a time, each once."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from app.prompt import Tokenizer
from app.recipes.drawing import Drawing
from app.recipes.input_pictures import encoded
from app.recipes.ops import Aside, EncodeImage, Worked
from app.recipes.resize import Pixels
from app.schema.params import make_params
from tests.support.model_info import TINY_INFO

INFO = replace(TINY_INFO, latent_channels=1, latent_scale=1.0)


def test_each_picture_is_decoded_once_and_when_it_is_its_turn() -> None:
    decoded: list[int] = []

    def picture(shade: int) -> Pixels:
        decoded.append(shade)
        return np.full((8, 8, 3), shade, np.uint8)

    light, dark = partial(picture, 255), partial(picture, 0)
    params = make_params(mode="img2img", init_images=["a", "b", "a"], batch_size=5, width=8, height=8)
    recipe = encoded(Drawing(params, Tokenizer()), INFO, (light, dark, light))

    def latents() -> Iterator[float]:
        op = next(recipe)
        while True:
            if isinstance(op, Aside):
                op = recipe.send(Worked(op.work()))
            assert isinstance(op, EncodeImage) and op.images.shape == (1, 3, 8, 8)
            yield float(op.images.mean())
            try:
                op = recipe.send(torch.tensor([float(op.images.mean()), 0.0]).reshape(1, 2, 1, 1))  # a mean that nothing deviates from
            except StopIteration as end:
                yield from end.value.flatten().tolist()
                return

    told = latents()
    assert next(told) == 1.0 and decoded == [255], "the second is not decoded before the first is encoded"
    assert next(told) == -1.0 and decoded == [255, 0]
    assert list(told) == [1.0, -1.0, 1.0, 1.0, -1.0], "a batch is filled in turn, each input decoded once"


def test_pictures_of_several_sizes_meet_as_latents() -> None:
    def picture(width: int) -> Pixels:
        return np.zeros((64, width, 3), np.uint8)

    params = make_params(mode="img2img", init_images=["a", "b"], batch_size=2, width=96, height=64, resize_mode=3)
    recipe = encoded(Drawing(params, Tokenizer()), INFO, (partial(picture, 64), partial(picture, 128)))
    op = next(recipe)
    try:
        while True:
            if isinstance(op, Aside):
                op = recipe.send(Worked(op.work()))
            assert isinstance(op, EncodeImage)
            op = recipe.send(torch.zeros(1, 2, *(side // 8 for side in op.images.shape[2:])))
    except StopIteration as end:
        assert end.value.shape == (2, 1, 8, 12)
