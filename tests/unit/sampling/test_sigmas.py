"""Schedules against A1111's numbers, and what must hold of any schedule."""

from itertools import pairwise

import pytest
import torch

from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.samplers import SAMPLERS
from app.sampling.samplers.timesteps import evenly_spaced_timesteps
from app.sampling.sigmas import build_sigmas
from app.sampling.table import NoiseTable, noise_table
from app.schema.errors import InvalidParams, UnknownName
from app.schema.samplers import SCHEDULERS
from tests.support.arithmetic import SAME_ARITHMETIC
from tests.unit.sampling.reference import ALPHAS, TABLES, reference

SD1 = TABLES["sd1"]
NAMES = [scheduler.name for scheduler in SCHEDULERS]

# Two units in the last place are left for machines whose vector exp and log round otherwise.
CLOSE = 2 * 2.0**-23


@pytest.mark.parametrize("entry", reference("sigmas.json"), ids=lambda e: f"{e['name']}-{e['steps']}-{e['sigma_max']:.5g}-{e['rho']}")
def test_schedule_equals_a1111(entry: dict) -> None:
    ends = {} if entry["range"] == "model" else {"sigma_min": entry["sigma_min"], "sigma_max": entry["sigma_max"]}
    sigmas = build_sigmas(entry["name"], entry["steps"], TABLES[entry["model"]], rho=entry["rho"], **ends)
    assert sigmas == pytest.approx(entry["sigmas"], rel=CLOSE, abs=0)
    exact = torch.tensor(entry["sigmas"], dtype=torch.float32).tolist()  # nine digits are enough to tell float32 numbers apart
    assert not SAME_ARITHMETIC or sigmas == exact


def test_the_references_cover_every_scheduler() -> None:
    assert {entry["name"] for entry in reference("sigmas.json")} == set(NAMES)


@pytest.mark.parametrize("entry", reference("timesteps.json"), ids=lambda e: str(e["steps"]))
def test_timesteps_equal_a1111(entry: dict) -> None:
    assert evenly_spaced_timesteps(entry["steps"], 1000) == entry["timesteps"]
    sigmas = SAMPLERS["DDIM"].sigmas("Automatic", entry["steps"], SD1, SamplerOptions())
    assert [round(SD1.timestep_of(sigma)) for sigma in sigmas] == entry["timesteps"][::-1]


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 150, 1000])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", TABLES.values(), ids=["sd1", "ztsnr"])
def test_every_schedule_falls(name: str, steps: int, table: NoiseTable) -> None:
    sigmas = build_sigmas(name, steps, table)
    assert all(sigma > following for sigma, following in pairwise(sigmas))
    assert sigmas[-1] == 0 if name != "kl_optimal" else sigmas[-1] > 0


@pytest.mark.parametrize("table", TABLES.values(), ids=["sd1", "ztsnr"])
def test_sigma_and_timestep_are_each_others_inverse(table: NoiseTable) -> None:
    for t in (0.0, 0.25, 1.0, 77.5, 500.0, 998.9, 999.0):
        sigma = float(table.sigma_at(torch.tensor([t]))[0])
        assert table.timestep_of(sigma) == pytest.approx(t, abs=2e-3)  # float32 logarithms near 0: half a unit is 4e-4 of a timestep
    assert table.timestep_of(1e-9) == 0 and table.timestep_of(1e9) == 999
    assert [table.nearest(table.sigma_min), table.nearest(float(table.sigmas[77]) * 1.001), table.nearest(1e9)] == [0, 77, 999]


def test_ends_and_rho_of_nought_are_the_schedules_own() -> None:
    assert build_sigmas("karras", 9, SD1, sigma_min=0, sigma_max=0, rho=0) == build_sigmas("karras", 9, SD1)


def test_align_your_steps_has_a_table_for_sdxl() -> None:
    assert build_sigmas("align_your_steps", 11, SD1, sdxl=True)[1] == pytest.approx(6.315)
    assert build_sigmas("align_your_steps", 11, SD1)[1] == pytest.approx(6.475)


def test_zero_terminal_snr_keeps_the_first_and_empties_the_last() -> None:
    table = TABLES["sd1 with zero terminal SNR"]
    assert table.alphas_cumprod[0] == pytest.approx(float(ALPHAS[0]), rel=1e-6)
    assert table.sigma_max == pytest.approx(4518.763671875, rel=1e-6)


def test_downcast_alphas_give_sigmas_of_16_bits_whose_timesteps_are_found_again() -> None:
    table = noise_table(ALPHAS, downcast=True)
    assert torch.equal(table.sigmas, table.sigmas.half().float())
    torch.testing.assert_close(table.sigmas, SD1.sigmas, rtol=0.1, atol=0)  # at the first timesteps 1 - alpha has two bits
    assert [table.nearest(float(sigma)) for sigma in table.sigmas] == list(range(1000))


def test_downcast_alphas_can_end_in_pure_noise() -> None:
    table = noise_table(ALPHAS, downcast=True, zero_snr=True)
    assert table.sigma_max == pytest.approx(4518.763671875, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        ("karras", {"sigma_min": 20.0}, "14.6146 down to 20"),
        ("karras", {"sigma_max": 0.01}, "0.01 down to"),
        ("karras", {"rho": 0.001}, "rho 0.001"),
        ("polyexponential", {"rho": -3.0}, "rho -3.0"),
    ],
)
def test_settings_without_a_schedule_are_explained(name: str, settings: dict[str, float], word: str) -> None:
    with pytest.raises(InvalidParams, match=word):
        build_sigmas(name, 20, SD1, **settings)


def test_a_schedule_that_stands_still_is_explained() -> None:
    with pytest.raises(InvalidParams, match="repeats a noise level"):
        SAMPLERS["Euler"].sigmas("Polyexponential", 20, SD1, SamplerOptions(rho=20))


def test_an_unknown_schedule_is_explained() -> None:
    with pytest.raises(UnknownName, match="karras"):
        build_sigmas("kerras", 20, SD1)
    with pytest.raises(UnknownName, match="Karras"):
        SAMPLERS["DDIM"].sigmas("Kerras", 20, SD1, SamplerOptions())


def test_automatic_is_the_samplers_own() -> None:
    options = SamplerOptions()
    for name, meant in [("DPM++ 2M", "Karras"), ("DPM++ 2M SDE", "Exponential"), ("Euler", "Uniform")]:
        assert SAMPLERS[name].sigmas("Automatic", 9, SD1, options) == SAMPLERS[name].sigmas(meant, 9, SD1, options)


def test_the_penultimate_sigma_is_left_out() -> None:
    whole = SAMPLERS["Heun"].sigmas("Karras", 9, SD1, SamplerOptions())
    for name, options in [("Heun", SamplerOptions(discard_penultimate=True)), ("DPM2", SamplerOptions())]:
        assert SAMPLERS[name].sigmas("Karras", 8, SD1, options) == [*whole[:-2], 0]
    later = SAMPLERS["DDIM"].sigmas("Automatic", 8, SD1, SamplerOptions(discard_penultimate=True))
    assert later == SAMPLERS["DDIM"].sigmas("Automatic", 9, SD1, SamplerOptions())


def test_the_old_karras_ends_give_way_to_asked_ones() -> None:
    old = SamplerOptions(old_karras_sigmas=True)
    assert SAMPLERS["Euler"].sigmas("Exponential", 5, SD1, old)[0] == pytest.approx(10)
    asked = SamplerOptions(old_karras_sigmas=True, sigma_max=5)
    assert SAMPLERS["Euler"].sigmas("Exponential", 5, SD1, asked)[0] == pytest.approx(5)


@pytest.mark.parametrize("skip", ["time_uniform", "time_quadratic", "logSNR"])
def test_unipc_spaces_its_own_times(skip: str) -> None:
    options = SamplerOptions(uni_pc=UniPCOptions(skip_type=skip))
    sigmas = SAMPLERS["UniPC"].sigmas("Automatic", 7, SD1, options)
    assert len(sigmas) == 9 and all(sigma > following for sigma, following in pairwise(sigmas))
    assert (sigmas[0], sigmas[-1]) == pytest.approx((SD1.sigma_max, SD1.sigma_min), rel=1e-5)
    ratios = [sigma / following for sigma, following in pairwise(sigmas)]
    assert (max(ratios) / min(ratios) < 1.00001) == (skip == "logSNR")


def test_lcm_runs_through_the_timesteps_it_was_distilled_on() -> None:
    sigmas = SAMPLERS["LCM"].sigmas("Automatic", 50, SD1, SamplerOptions())
    assert sigmas[:-1] == pytest.approx(SD1.sigmas[19::20].flip(0).tolist(), rel=1e-5)


def test_solvers_of_ends_have_two_even_for_one_step() -> None:
    for name in ("DPM fast", "DPM adaptive"):
        assert SAMPLERS[name].sigmas("Automatic", 1, SD1, SamplerOptions()) == pytest.approx([SD1.sigma_max, SD1.sigma_min])
