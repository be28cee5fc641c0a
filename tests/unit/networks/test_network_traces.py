"""The networks' answers against those that A1111's own gave to the same latents, as its recorded calls have them."""

import numpy as np
import pytest
import torch

from app.networks import Checkpoint
from app.sampling.table import noise_table
from tests.support.arithmetic import SAME_SUMS
from tests.support.paths import DATA

NEGATIVE = torch.tensor([[49406, 1929, *[49407] * 75]])
"""`dog`, the traces' negative prompt: the last row of each call."""
ROUNDING = 2e-6
"""Of the largest number there is; one unit in the last place is 6e-8, and there are some hundred layers."""


@pytest.mark.parametrize("trace", ["euler", "euler-a"])
def test_noise_predictions(tiny_a: Checkpoint, trace: str) -> None:
    _compare(tiny_a, trace, zero_snr=False)


def test_v_predictions_with_zero_terminal_snr(tiny_v: Checkpoint) -> None:
    _compare(tiny_v, "v-ztsnr", zero_snr=True)


@pytest.mark.parametrize("trace", ["ddim", "plms", "unipc"])
def test_noise_predictions_on_timesteps(tiny_a: Checkpoint, trace: str) -> None:
    _compare(tiny_a, trace, zero_snr=False, unit=True)


def test_v_predictions_on_timesteps(tiny_v: Checkpoint) -> None:
    _compare(tiny_v, "ddim-v", zero_snr=False, unit=True)


def _compare(checkpoint: Checkpoint, trace: str, *, zero_snr: bool, unit: bool = False) -> None:
    """Of `unit` traces the levels are timesteps, latents have unit variance, and the answers are noise."""
    with np.load(DATA / "traces" / f"{trace}.npz") as file:
        recorded = dict(file)
    table = noise_table(checkpoint.alphas_cumprod, zero_snr=zero_snr)
    context = checkpoint.encode_text(NEGATIVE).tokens
    for call in range(len(recorded) // 4):
        x, level, answers = (torch.from_numpy(recorded[f"{call:03d}_{name}"]) for name in ("x", "sigma", "denoised_rows"))
        sigma = table.sigma_at(level) if unit else level
        timesteps = level if unit else torch.full((len(x),), table.timestep_of(float(level[0])))
        alphas = table.alphas_cumprod[level.int()] if unit else None
        ours = checkpoint.denoise(x, sigma, context.expand(len(x), -1, -1), timesteps=timesteps, alphas=alphas)[-1]
        assert float((ours - answers[-1]).abs().max()) < ROUNDING * float(answers[-1].abs().max()), call
        assert not SAME_SUMS or torch.equal(ours, answers[-1]), call
