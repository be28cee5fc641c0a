"""Latents outside a mask stay; a soft blend has the right ends."""

import pytest
import torch

from app.sampling.masked import Masked
from app.sampling.protocol import Denoise
from app.sampling.soft import SoftBlend

SOFT = SoftBlend(bias=1, preservation=0.5, contrast=4)


def latents(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(seed))


def mask() -> torch.Tensor:
    drawn = torch.zeros(1, 1, 3, 5)
    drawn[..., 2:] = 1
    return drawn


@pytest.mark.parametrize("soft", [None, SOFT])
def test_answers_hold_the_original_outside(soft: SoftBlend | None) -> None:
    masked = Masked(latents(1), mask(), soft=soft)
    question = Denoise(latents(2), 3.0)
    assert masked.asked(question) is question
    answer = masked.answered(question, latents(3))
    # Lengths are computed in float64 and go back to float32.
    torch.testing.assert_close(answer[..., :2], latents(1)[..., :2], rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(answer[..., 2:], latents(3)[..., 2:], rtol=2e-5, atol=2e-5)


def test_a_question_on_timesteps_holds_the_clean_original() -> None:
    masked = Masked(latents(1), mask())
    question = Denoise(latents(2), 3.0, timestep=500.0)
    asked = masked.asked(question)
    assert torch.equal(asked.x[..., :2], latents(1)[..., :2]) and torch.equal(asked.x[..., 2:], question.x[..., 2:])
    assert masked.answered(question, latents(3)).equal(latents(3)), "the noise that was found is the network's"


def test_the_last_latents() -> None:
    hard = Masked(latents(1), mask()).last(latents(2))
    torch.testing.assert_close(hard[..., :2], latents(1)[..., :2])
    assert Masked(latents(1), mask(), soft=SOFT).last(latents(2)).equal(latents(2)), "pixels are blended in its place"


def test_a_soft_blend_keeps_the_length_of_like_vectors_and_more_of_the_longer() -> None:
    one, other = torch.tensor([1.0, 0, 0, 0]).view(1, 4, 1, 1), torch.tensor([0, 3.0, 0, 0]).view(1, 4, 1, 1)
    half = torch.full((1, 1, 1, 1), 0.5)
    same = SOFT.blend(one, one, half)
    torch.testing.assert_close(same, one, rtol=2e-5, atol=2e-5)
    length = float(torch.linalg.vector_norm(SOFT.blend(one, other, half)))
    assert length == pytest.approx(((1 + 81) / 2) ** 0.25, rel=1e-4)  # the power mean of exponent 4
    assert float(SOFT.share(half, 2.0)[0, 0, 0, 0]) == pytest.approx(0.5 ** (2 * 0.5))
