"""The noise schedule and the way from a sigma to a training step."""

import json
from pathlib import Path

import torch

from app.networks.noise import SigmaTable, cumulative_alphas, denoised, network_input

DATA = Path(__file__).parents[2] / "data"


def test_cumulative_alphas_are_those_of_stable_diffusion() -> None:
    """alphas.json holds A1111's float32 values with nine digits."""
    expected = next(entry for entry in json.loads((DATA / "alphas.json").read_text()) if entry["name"] == "sd1 alphas_cumprod")
    ours = cumulative_alphas(0.00085, 0.012)
    assert ours.dtype == torch.float32 and ours.shape == (1000,)
    assert torch.equal(ours, torch.tensor(expected["values"], dtype=torch.float32))


def test_a_sigma_of_the_table_is_its_own_step() -> None:
    alphas = cumulative_alphas(0.00085, 0.012)
    steps = SigmaTable(alphas).timesteps(((1 - alphas) / alphas).sqrt())
    assert (steps - torch.arange(1000)).abs().max() < 1e-3


def test_between_two_steps_the_step_is_a_fraction_and_outside_it_is_the_end() -> None:
    alphas = cumulative_alphas(0.00085, 0.012).double()
    logs = ((1 - alphas) / alphas).sqrt().log()
    quarter = (0.75 * logs[300] + 0.25 * logs[301]).exp()
    steps = SigmaTable(alphas.float()).timesteps(torch.tensor([float(quarter), 1e-4, 1e4]))
    assert abs(float(steps[0]) - 300.25) < 1e-2  # float32 logarithms about 5e-3 apart
    assert steps[1:].tolist() == [0.0, 999.0]


def test_v_and_epsilon_name_the_same_clean_latents() -> None:
    """For clean latents c and noise n, x = c + s n; epsilon is n, and v = alpha n - s alpha c with alpha = 1 / sqrt(s^2 + 1)."""
    random = torch.Generator().manual_seed(0)
    clean, unit = torch.randn(3, 4, 2, 2, generator=random), torch.randn(3, 4, 2, 2, generator=random)
    sigmas = torch.tensor([0.1, 1.0, 14.0])
    s = sigmas[:, None, None, None]
    x, alpha = clean + s * unit, 1 / (s * s + 1).sqrt()
    v = alpha * unit - s * alpha * clean
    assert torch.allclose(denoised(x, sigmas, unit, "epsilon"), clean, atol=1e-5)
    assert torch.allclose(denoised(x, sigmas, v, "v"), clean, atol=1e-5)
    assert torch.allclose(network_input(x, sigmas), alpha * x)
