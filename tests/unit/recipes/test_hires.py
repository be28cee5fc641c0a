"""The hires pass with the first pass's text encoder: what does not fit is told before anything is drawn."""

from dataclasses import replace

import pytest
import torch

from app.prompt import Tokenizer
from app.recipes import txt2img
from app.recipes.ops import Load, ModelInfo, Op
from app.schema.errors import NotSupported
from app.schema.family import FamilyRules
from app.schema.params import make_params

SD1 = ModelInfo(
    name="sd1",
    alphas_cumprod=torch.linspace(0.999, 0.005, 1000),
    latent_channels=4,
    latent_scale=0.18215,
    concat_channels=0,
    native_size_px=64,
    device="cpu",
)
INFOS = {
    "sd1": SD1,
    "other": replace(SD1, name="other"),
    "sd2": replace(SD1, name="sd2", text_widths=(1024,)),
    "told": replace(SD1, name="told", rules=FamilyRules(told=("crop top",))),
}
HIRES = {"enable_hr": True, "hires_fix_use_firstpass_conds": True}


def first_question(**settings: object) -> Op:
    """What a job on sd1 asks for once it has loaded what it wants."""
    params = make_params(prompt="a house", checkpoint="sd1", steps=2, width=64, height=64, **settings)
    recipe = txt2img(params, Tokenizer())
    op = next(recipe)
    while isinstance(op, Load):
        op = recipe.send(INFOS[op.checkpoint])
    return op


@pytest.mark.parametrize("other", ["sd2", "told"])
@pytest.mark.parametrize("role", ["hr_checkpoint", "refiner_checkpoint"])
def test_a_checkpoint_that_wants_other_texts_is_refused_before_the_first_pass(role: str, other: str) -> None:
    refiner = {"refiner_switch_at": 0.5, "hires_fix_refiner_pass": "second pass"} if role == "refiner_checkpoint" else {}
    with pytest.raises(NotSupported, match=f"{other} cannot draw from what the text encoder of sd1 reads"):
        first_question(**HIRES, **refiner, **{role: other})


@pytest.mark.parametrize(
    "settings",
    [
        {**HIRES},
        {**HIRES, "hr_checkpoint": "other"},
        {**HIRES, "hr_checkpoint": "sd2", "hires_fix_use_firstpass_conds": False},
        {**HIRES, "hr_checkpoint": "sd2", "denoising_strength": 0},
        {**HIRES, "hr_checkpoint": "sd2", "enable_hr": False},
    ],
    ids=["itself", "one family", "its own texts", "no hires steps", "no hires pass"],
)
def test_what_fits_is_drawn(settings: dict[str, object]) -> None:
    assert not isinstance(first_question(**settings), Load)
