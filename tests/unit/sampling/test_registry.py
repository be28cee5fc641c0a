"""Names, orders and counts of what can be chosen, and what every sampler must do with any number of steps."""

import json

import pytest
import torch

from app.sampling.noise import PictureNoise
from app.sampling.options import SamplerOptions
from app.sampling.samplers import SAMPLERS
from app.schema import samplers as names
from app.schema.errors import UnknownName
from app.schema.samplers import find_sampler, find_scheduler
from tests.support.paths import DATA
from tests.unit.sampling import gaussian
from tests.unit.sampling.reference import TABLES

A1111_SAMPLERS = json.loads((DATA / "sdapi" / "samplers.json").read_text())["response"]
A1111_SCHEDULERS = json.loads((DATA / "sdapi" / "schedulers.json").read_text())["response"]


def test_samplers_are_a1111s_in_its_order() -> None:
    listed = [{"name": s.name, "aliases": list(s.aliases), "options": s.options} for s in names.SAMPLERS]
    known = [s.name for s in names.SAMPLERS]
    assert listed == [entry for entry in A1111_SAMPLERS if entry["name"] in known]
    assert list(SAMPLERS) == known and len(known) >= 4


def test_schedulers_are_a1111s_in_its_order() -> None:
    listed = [
        {
            "name": s.name, "label": s.label, "aliases": None if s.aliases is None else list(s.aliases),
            "default_rho": s.default_rho, "need_inner_model": s.need_inner_model,
        }
        for s in names.SCHEDULERS
    ]  # fmt: skip
    assert listed == A1111_SCHEDULERS


@pytest.mark.parametrize(
    ("word", "sampler", "scheduler"),
    [
        ("Euler a", "Euler a", None),
        ("euler A", "Euler a", None),
        ("k_euler_ancestral", "Euler a", None),
        ("DPM++ 2M Karras", "DPM++ 2M", "karras"),
        ("DPM++ 2M SDE Heun Exponential", "DPM++ 2M SDE Heun", "exponential"),
        ("Euler SGM Uniform", "Euler", "sgm_uniform"),
        ("DDIM", "DDIM", None),
    ],
)
def test_names_that_people_use(word: str, sampler: str, scheduler: str | None) -> None:
    found, with_it = find_sampler(word)
    assert (found.name, with_it and with_it.name) == (sampler, scheduler)


@pytest.mark.parametrize("word", ["", "Eulr a", "Karras", "nonsense Karras", "Euler Nonsense"])
def test_other_words_are_no_samplers(word: str) -> None:
    with pytest.raises(UnknownName, match="sampler"):
        find_sampler(word)


def test_an_error_names_what_was_asked_for_and_what_is_near() -> None:
    with pytest.raises(UnknownName, match=r"'Eulr a'.*Euler a"):
        find_sampler("Eulr a")
    with pytest.raises(UnknownName, match="'nonsense Karras'"):
        find_sampler("nonsense Karras")


def test_schedulers_by_label_name_and_alias() -> None:
    assert {find_scheduler(word).name for word in ("SGM Uniform", "sgm_uniform", "SGMUniform")} == {"sgm_uniform"}
    with pytest.raises(UnknownName, match="KARRAS"):
        find_scheduler("KARRAS")


def test_second_order_samplers_count_two_calls_a_step() -> None:
    two = {name for name, spec in SAMPLERS.items() if spec.calls(10) == 20}
    assert two == {"DPM++ SDE", "DPM++ 2S a", "Heun", "DPM2", "DPM2 a", "Restart"} & set(SAMPLERS)
    assert {spec.calls(10) for spec in SAMPLERS.values()} == {10, 20}


# Calls of a pass of 5 steps with the sampler's own schedule: A1111's, by its traces and its README's counts.
CALLS = {
    "DPM++ 2M": 5, "DPM++ SDE": 9, "DPM++ 2M SDE": 5, "DPM++ 2M SDE Heun": 5, "DPM++ 2S a": 9, "DPM++ 3M SDE": 5, "Euler a": 5, "Euler": 5,
    "LMS": 5, "Heun": 9, "DPM2": 9, "DPM2 a": 9, "DPM fast": 5, "Restart": 9, "DDIM": 4, "PLMS": 5, "UniPC": 5, "LCM": 5,
}  # fmt: skip


@pytest.mark.parametrize(("name", "calls"), CALLS.items())
def test_calls_of_a_pass(name: str, calls: int) -> None:
    assert run(name, "Automatic", 5)[1] == calls


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 36])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_takes_every_schedule(name: str, steps: int) -> None:
    for scheduler in names.SCHEDULERS:
        end, calls = run(name, scheduler.label, steps)
        assert bool(end.isfinite().all()) and end.shape == (1, 4, 4, 4), scheduler
        assert calls > 0 or (steps == 1 and name in ("DDIM", "DDIM CFG++", "PLMS")), scheduler  # A1111's too make none of a single timestep


def run(name: str, scheduler: str, steps: int) -> tuple[torch.Tensor, int]:
    spec, options, table = SAMPLERS[name], SamplerOptions(), TABLES["sd1"]
    sigmas = spec.sigmas(scheduler, steps, table, options)
    noise = PictureNoise([5], (4, 4, 4))
    end, calls = gaussian.run(spec.sample(spec.initial(noise.draw(), sigmas), sigmas, noise, options, table))
    return end, calls


def test_restart_walks_a_part_again() -> None:
    """From 20 steps on once, from 36 on twice: so many draws of noise, at as many calls as plain Heun makes."""
    spec, table = SAMPLERS["Restart"], TABLES["sd1"]
    for steps, restarts in [(19, 0), (20, 1), (35, 1), (36, 2), (100, 2)]:
        sigmas, noise = spec.sigmas("Automatic", steps, table, SamplerOptions()), Counted()
        calls = gaussian.run(spec.sample(torch.zeros(1, 4, 4, 4), sigmas, noise, SamplerOptions(), table))[1]
        assert (noise.draws, calls) == (restarts, 2 * steps - 1)


class Counted(gaussian.NoNoise):
    def __init__(self) -> None:
        self.draws = 0

    def draw(self) -> torch.Tensor:
        self.draws += 1
        return torch.zeros(1, 4, 4, 4)
