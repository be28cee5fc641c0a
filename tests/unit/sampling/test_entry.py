"""Where img2img and the hires fix enter a schedule."""

import pytest
import torch

from app.sampling.img2img import Entry, entry_step, stretched_steps
from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.samplers import SAMPLERS
from tests.unit.sampling.reference import TABLES

SD1, PLAIN = TABLES["sd1"], SamplerOptions()


@pytest.mark.parametrize(("steps", "strength", "left"), [(6, 0.0, 1), (6, 0.6, 4), (20, 0.5, 11), (6, 0.99, 6), (6, 1.0, 6), (1, 0.4, 1)])
def test_strength_runs_the_end_of_the_schedule(steps: int, strength: float, left: int) -> None:
    spec = SAMPLERS["Euler"]
    whole = spec.sigmas("Karras", steps, SD1, PLAIN)
    entry = spec.entry("Karras", steps, entry_step(steps, strength), SD1, PLAIN)
    assert len(entry.sigmas) - 1 == left
    assert entry.sigmas == whole[-left - 1 :] and entry.noise_sigma == entry.sigmas[0] and entry.span == whole


@pytest.mark.parametrize(("steps", "strength"), [(5, 0.6), (7, 0.35), (20, 0.7), (3, 1.0), (10, 0.05)])
def test_stretched_schedules_run_all_steps_asked_for(steps: int, strength: float) -> None:
    whole = stretched_steps(steps, strength)
    entry = SAMPLERS["Euler"].entry("Automatic", whole, steps - 1, SD1, PLAIN)
    assert len(entry.sigmas) - 1 == steps
    assert entry_step(whole, strength) in (steps - 1, steps)  # int() of a quotient and of a product: they may part by one


def test_strength_0_has_nothing_to_stretch() -> None:
    assert stretched_steps(20, 0.0) == 0


def test_the_picture_lies_under_the_noise() -> None:
    picture, noise = torch.full((1, 4, 2, 2), 3.0), torch.ones(1, 4, 2, 2)
    assert torch.equal(Entry(5.0, [5.0, 1.0, 0.0], []).latents(picture, noise), picture + 5)
    assert torch.equal(Entry(5.0, [5.0, 1.0, 0.0], []).latents(picture, noise, extra=0.5), picture + 5.5)


@pytest.mark.parametrize("name", ["DDIM", "PLMS"])
def test_timestep_samplers_take_noise_of_one_timestep_above(name: str) -> None:
    """8 steps at 0.6: timesteps 1, 126, 251, 376 are run, the noise is that of 501, kept in unit variance."""
    entry = SAMPLERS[name].entry("Automatic", 8, entry_step(8, 0.6), SD1, PLAIN)
    assert [round(SD1.timestep_of(sigma)) for sigma in entry.sigmas] == [376, 251, 126, 1]
    assert round(SD1.timestep_of(entry.noise_sigma)) == 501
    noise = torch.ones(1, 4, 2, 2)
    assert torch.equal(entry.latents(torch.zeros_like(noise), noise), (1 - SD1.alphas_cumprod[501]).sqrt() * noise)
    assert torch.equal(entry.latents(noise, torch.zeros_like(noise)), SD1.alphas_cumprod[501].sqrt() * noise)
    more = entry.latents(0 * noise, noise, extra=0.5)
    torch.testing.assert_close(more, noise * (entry.noise_sigma + 0.5) * SD1.alphas_cumprod[501].sqrt())


def test_timestep_samplers_at_strength_0_change_nothing() -> None:
    entry = SAMPLERS["DDIM"].entry("Automatic", 8, entry_step(8, 0.0), SD1, PLAIN)
    assert [round(SD1.timestep_of(sigma)) for sigma in entry.sigmas] == [1]  # no pair of sigmas, no call


@pytest.mark.parametrize("skip", ["time_uniform", "time_quadratic", "logSNR"])
def test_unipc_spaces_the_rest_anew(skip: str) -> None:
    options = SamplerOptions(uni_pc=UniPCOptions(skip_type=skip))
    entry = SAMPLERS["UniPC"].entry("Automatic", 8, entry_step(8, 0.6), SD1, options)
    assert len(entry.sigmas) == 5
    assert entry.sigmas[0] == pytest.approx(float(SD1.sigmas[376]), rel=1e-5)
    assert entry.sigmas[-1] == pytest.approx(SD1.sigma_min, rel=1e-5)
    assert round(SD1.timestep_of(entry.noise_sigma)) == 501
