"""The noise behind a picture, on data whose flow is known exactly."""

import pytest
import torch

from app.sampling.inversion import inverted

from .gaussian import denoise, run, solution

SIGMAS = [10.0, 7.0, 5.0, 3.0, 2.0, 1.2, 0.7, 0.4, 0.2, 0.1, 0.0]
START = torch.linspace(-1, 2, 64).reshape(1, 4, 4, 4)


def test_with_fine_steps_it_is_where_the_flow_leads_back_to():
    noise, calls = run(inverted(START, torch.linspace(10, 0, 2001).tolist(), adjusted=True))
    # Euler's method is of first order: 2000 steps leave about a thousandth.
    assert calls == 1999 and torch.allclose(noise, solution(START, 0.0, 10.0) / 10.0, atol=2e-3)


@pytest.mark.parametrize(("adjusted", "asked"), [(False, SIGMAS[-2::-1]), (True, SIGMAS[-2:0:-1])])
def test_which_levels_the_model_is_asked_at(adjusted, asked):
    sampler = inverted(START, SIGMAS, adjusted=adjusted)
    question, found = next(sampler), []
    with pytest.raises(StopIteration):
        while True:
            found.append(question.sigma)
            question = sampler.send(denoise(question))
    assert found == asked


def test_unadjusted_noise_has_unit_deviation():
    noise, _ = run(inverted(START, SIGMAS, adjusted=False))
    assert float(noise.std()) == pytest.approx(1)
