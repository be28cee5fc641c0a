"""Samplers on data whose denoiser is known exactly: order of convergence, and the distribution of what they draw."""

from collections.abc import Callable
from itertools import pairwise
from math import log2

import numpy as np
import pytest
import torch
from torch import Tensor

from app.sampling.noise import PictureNoise
from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.protocol import Sampler
from app.sampling.samplers import SAMPLERS
from app.sampling.samplers.ddim import ddim
from app.sampling.samplers.dpm_solver import second_order, third_order
from app.sampling.samplers.plms import plms
from app.sampling.samplers.steps import time_of
from app.sampling.samplers.timesteps import Level
from app.sampling.samplers.unipc import moments_at, unipc
from tests.unit.sampling.gaussian import MEAN, SPREAD, NoNoise, run, solution
from tests.unit.sampling.reference import TABLES

FIRST, LAST = 10.0, 0.2
STILL = SamplerOptions(eta=0.0)
STARTS = torch.linspace(-20, 20, 7, dtype=torch.float64)[None]

# Multistep methods begin with steps of lower order, whose error caps the order of the whole at one more than theirs:
# 2 for LMS and DPM++ 3M SDE, although the errors themselves are far smaller (see the test after this one).
ORDERS = {
    "Euler": 1, "DDIM": 1, "Heun": 2, "DPM2": 2, "DPM++ 2M": 2, "PLMS": 2, "UniPC": 2, "LMS": 2,
    "Euler a": 1, "DPM2 a": 2, "DPM++ 2S a": 2, "DPM++ SDE": 2, "DPM++ 2M SDE": 2, "DPM++ 2M SDE Heun": 2, "DPM++ 3M SDE": 2,
}  # fmt: skip


class StillNoise(NoNoise):
    """For samplers that add noise times zero."""

    def draw(self) -> float:
        return 0.0

    def increments(self, low: float, high: float, intervals: object) -> object:
        while True:
            yield 0.0


def levels(steps: int) -> list[float]:
    return [float(sigma) for sigma in np.geomspace(FIRST, LAST, steps + 1)]


def times(steps: int) -> list[Tensor]:
    """The same as half log-SNRs."""
    return [time_of(sigma) for sigma in torch.tensor(levels(steps), dtype=torch.float64)]


ON_TIMESTEPS = {"DDIM": ddim, "PLMS": plms}


def unit(x: Tensor, sigma: float) -> Tensor:
    """Latents as samplers on timesteps have them."""
    return x / (1 + sigma**2) ** 0.5


def ends(name: str, steps: int, options: SamplerOptions = STILL) -> Tensor:
    """Where a sampler leads from STARTS, in float64."""
    if name in ON_TIMESTEPS:
        way = [Level(0.0, sigma, torch.tensor(1 / (1 + sigma**2), dtype=torch.float64)) for sigma in levels(steps)]
        sampler = ON_TIMESTEPS[name](unit(STARTS, FIRST), way, StillNoise(), options)
    elif name == "UniPC":
        log_alphas = -0.5 * (torch.tensor(levels(steps), dtype=torch.float64) ** 2).log1p()
        moments = moments_at([0.0] * (steps + 1), log_alphas)
        sampler = unipc(unit(STARTS, FIRST)[..., None, None], moments, StillNoise(), options)
    else:
        return run(SAMPLERS[name].sample(STARTS, levels(steps), StillNoise(), options, TABLES["sd1"]))[0]
    return run(sampler)[0].reshape(STARTS.shape) * (1 + LAST**2) ** 0.5


def error(name: str, steps: int, options: SamplerOptions = STILL) -> float:
    """Largest distance from the ODE's solution."""
    return float((ends(name, steps, options) - solution(STARTS, FIRST, LAST)).abs().max())


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_order_of_convergence(name: str, order: int) -> None:
    """Twice the steps, 2^order times less error; 0.25 is left for what is not yet the limit at 96 steps."""
    coarse, fine = (96, 192) if name != "LMS" else (384, 768)
    assert log2(error(name, coarse) / error(name, fine)) == pytest.approx(order, abs=0.25)


def test_more_earlier_steps_help() -> None:
    assert error("DPM++ 3M SDE", 48) < error("DPM++ 2M SDE", 48) / 3
    assert error("LMS", 48) < error("Euler", 48) / 100
    assert error("UniPC", 48) < error("DPM++ 2M", 48) / 3


@pytest.mark.parametrize(("step", "order"), [(second_order, 2), (third_order, 3)])
def test_order_of_dpm_solver_steps(step: Callable[..., Sampler], order: int) -> None:
    """What DPM fast and DPM adaptive are made of, every step of the same order."""

    def repeated(steps: int) -> float:
        x = STARTS
        for start, end in pairwise(times(steps)):
            made = run(step(x, start, end))[0]
            x = made if isinstance(made, Tensor) else made.third
        return float((x - solution(STARTS, FIRST, LAST)).abs().max())

    assert log2(repeated(24) / repeated(48)) == pytest.approx(order, abs=0.25)


def test_third_order_steps_hold_a_second_order_answer() -> None:
    def second(steps: int) -> float:
        x = STARTS
        for start, end in pairwise(times(steps)):
            x = run(third_order(x, start, end))[0].second
        return float((x - solution(STARTS, FIRST, LAST)).abs().max())

    assert log2(second(24) / second(48)) == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
def test_unipc_of_order_1_and_2(variant: str) -> None:
    """The corrector adds one to the predictor's order."""
    for order in (1, 2):
        options = SamplerOptions(uni_pc=UniPCOptions(order=order, variant=variant, lower_order_final=False))
        assert log2(error("UniPC", 96, options) / error("UniPC", 192, options)) == pytest.approx(order + 1, abs=0.25)


def test_cfgpp_without_guidance_is_ddim() -> None:
    noise, table, options = PictureNoise([3], (4, 6, 6)), TABLES["sd1"], SamplerOptions()
    first, sigmas = noise.draw(), SAMPLERS["DDIM"].sigmas("Automatic", 9, table, options)
    both = [run(SAMPLERS[name].sample(first, sigmas, noise, options, table))[0] for name in ("DDIM", "DDIM CFG++")]
    assert torch.equal(*both)


def test_adaptive_reaches_its_tolerance_in_few_calls() -> None:
    end, calls = run(SAMPLERS["DPM adaptive"].sample(STARTS, [FIRST, LAST], StillNoise(), SamplerOptions(eta=0.0), TABLES["sd1"]))
    assert calls % 3 == 0 and 9 <= calls <= 90
    assert float((end - solution(STARTS, FIRST, LAST)).abs().max()) < 0.1


# Those that add noise: what comes out must be distributed as the data. Of 16384 numbers the spread has a standard error of 0.6%;
# 5% leave room for the steps being finite, while noise left out, or of another strength, costs 10% and more.
STOCHASTIC = {
    "Euler a": {}, "DPM2 a": {}, "DPM++ 2S a": {}, "DPM++ SDE": {}, "DPM++ 2M SDE": {}, "DPM++ 2M SDE Heun": {}, "DPM++ 3M SDE": {},
    "Restart": {}, "DPM fast": {}, "DPM adaptive": {}, "DDIM": {"eta": 1.0},
    "Euler": {"s_churn": 10.0}, "Heun": {"s_churn": 40.0}, "DPM2": {"s_churn": 40.0, "s_tmin": 0.1, "s_tmax": 8.0},
}  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), STOCHASTIC.items())
def test_what_is_drawn_is_distributed_as_the_data(name: str, settings: dict[str, float]) -> None:
    spec, options, table = SAMPLERS[name], SamplerOptions(**settings), TABLES["sd1"]
    sigmas = spec.sigmas("Automatic", 100, table, options)
    noise = PictureNoise([3], (4, 64, 64))
    end, _ = run(spec.sample(spec.initial(noise.draw(), sigmas), sigmas, noise, options, table))
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.08)  # the first sigma is finite: 0.6% of the mean is not there yet
    assert float(end.std()) == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("name", ["Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE", "DDIM"])
def test_eta_says_how_much_noise_is_fresh(name: str) -> None:
    """Distance of the end from that of the ODE: none at eta 0, more with more of it."""
    spec, table, distances = SAMPLERS[name], TABLES["sd1"], {}
    for eta in (0.0, 0.3, 1.0):
        options, noise = SamplerOptions(eta=eta), PictureNoise([3], (4, 16, 16))
        sigmas = spec.sigmas("Karras", 40, table, options)
        first = spec.initial(noise.draw(), sigmas)
        end = run(spec.sample(first, sigmas, noise, options, table))[0]
        scales = [(1 + sigma**2) ** 0.5 if spec.name.on_timesteps else 1.0 for sigma in (sigmas[0], sigmas[-1])]
        distances[eta] = float((end * scales[1] - solution(first * scales[0], sigmas[0], sigmas[-1])).std())
    assert distances[0.0] < 0.12 < distances[0.3] < distances[1.0]


def test_eta_0_of_euler_a_is_euler() -> None:
    ancestral = run(SAMPLERS["Euler a"].sample(STARTS, levels(9), StillNoise(), SamplerOptions(eta=0.0), TABLES["sd1"]))[0]
    plain = run(SAMPLERS["Euler"].sample(STARTS, levels(9), NoNoise(), SamplerOptions(), TABLES["sd1"]))[0]
    assert torch.equal(ancestral, plain)


def test_lcm_answers_with_clean_latents() -> None:
    """The last answer, unmixed but for the consistency function's trace of x, which is under 1e-4 at the first distilled timestep."""
    spec, options, table = SAMPLERS["LCM"], SamplerOptions(), TABLES["sd1"]
    sigmas, noise = spec.sigmas("Automatic", 4, table, options), PictureNoise([3], (4, 64, 64))
    end, calls = run(spec.sample(spec.initial(noise.draw(), sigmas), sigmas, noise, options, table))
    assert calls == 4
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.08)
    assert float(end.std()) < SPREAD  # the mean of the data given the noisy ones varies less than they
