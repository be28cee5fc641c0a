"""The noise that encoded pictures' latents are drawn with."""

import torch

from app.recipes.encoding import drawn, drawn_each, means
from app.sampling.encoder_noise import EncoderNoise

SHAPE = (1, 4, 8, 8)


def test_every_job_begins_alike_and_goes_on() -> None:
    one, other = EncoderNoise(), EncoderNoise()
    first = one.draw(SHAPE)
    assert torch.equal(first, other.draw(SHAPE))
    assert not torch.equal(first, one.draw(SHAPE))


def test_a_picture_s_initial_noise_seeds_it_but_for_a_card_s_numbers() -> None:
    begun, seeded, untouched = EncoderNoise(), EncoderNoise(), EncoderNoise()
    seeded.follow(5, "CPU")
    untouched.follow(5, "NV")
    assert torch.equal(seeded.draw(SHAPE), torch.randn(SHAPE, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(untouched.draw(SHAPE), begun.draw(SHAPE))


def test_negative_and_huge_seeds_are_taken_as_elsewhere() -> None:
    low, high = EncoderNoise(), EncoderNoise()
    low.follow(-1, "CPU")
    high.follow(2**64 - 1, "CPU")
    assert torch.equal(low.draw(SHAPE), high.draw(SHAPE))


def test_latents_are_drawn_from_mean_and_deviation_and_then_scaled() -> None:
    encoding = torch.cat([torch.full(SHAPE, 2.0), torch.full(SHAPE, 0.5)], dim=1)
    unit = EncoderNoise().draw(SHAPE)
    assert torch.equal(drawn(encoding, EncoderNoise(), 3.0), (2.0 + 0.5 * unit) * 3.0)
    assert torch.equal(means(encoding), torch.full(SHAPE, 2.0))


def test_a_picture_that_stands_several_times_is_drawn_anew_each_time() -> None:
    encoding = torch.cat([torch.zeros(SHAPE), torch.ones(SHAPE)], dim=1)
    noise = EncoderNoise()
    assert all(torch.equal(each, noise.draw(SHAPE)) for each in drawn_each([encoding, encoding], EncoderNoise(), 1.0))
