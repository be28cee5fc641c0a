"""Settings lines as A1111 has them: the same fields, in the same order, with the same values."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__
from app.metadata import format_infotext, infotext_fields, parse_infotext
from app.metadata.fields import ORDER, in_order, label_of
from app.metadata.names import known_sampler, known_scheduler, schedule_label
from app.schema.params import GenerationParams, make_params, view_of
from app.schema.samplers import SAMPLERS, SCHEDULERS

DATA = Path(__file__).parents[2] / "data" / "parser"
CASES = json.loads((DATA / "infotext_cases.json").read_text(encoding="utf-8"))
LABELS = json.loads((DATA / "infotext_labels.json").read_text(encoding="utf-8"))
CHURNED = {"s_churn": 4.0, "s_tmin": 0.5, "s_tmax": 8.0, "s_noise": 1.1}
RANGE = {"sigma_min": 0.1, "sigma_max": 10.0, "rho": 5.0}
RESIZED = {"seed_resize_from_w": 96, "seed_resize_from_h": 64}


def labels(params: GenerationParams, **extras: object) -> dict[str, object]:
    return dict(infotext_fields(params, seed=5, model_name="m", model_hash="0123456789", extras=extras))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_infotext_equals_a1111s(case) -> None:
    """Requests that A1111 answered; only Version differs."""
    more = {"init_images": ("id",)} if case["params"]["mode"] == "img2img" else {}
    params = make_params(**case["params"], **more)
    for index, expected in enumerate(case["infotexts"]):
        fields = infotext_fields(params, seed=params.seed + index, model_name=case["model"], model_hash=case["model_hash"], extras={})
        text = format_infotext(params.prompt, params.negative_prompt, fields)
        assert text.replace(f"darkroom-{__version__}", "v1.10.1") == expected


def test_order_fits_every_line_that_a1111_wrote() -> None:
    place = {label: index for index, label in enumerate(ORDER)}
    for line in LABELS:
        places = [place[label] for label in line]
        assert places == sorted(places), line
    assert len(set(ORDER)) == len(ORDER)


def test_unknown_labels_stand_before_version_in_their_order() -> None:
    fields = [("Version", "x"), ("Zebra", 1), ("ADetailer model", 2), ("Steps", 3)]
    assert [label for label, _ in in_order(fields)] == ["Steps", "Zebra", "ADetailer model", "Version"]


def test_version_is_ours_and_switches_nothing_on() -> None:
    text = format_infotext("[a:b:0.5]", "", infotext_fields(make_params(sampler="DDIM"), seed=1, model_name="", model_hash=""))
    parsed = parse_infotext(text)
    assert parsed["Version"] == f"darkroom-{__version__}"
    assert not {"Downcast alphas_cumprod", "Pad conds v0", "Old prompt editing timelines"} & parsed.keys()
    assert "Model" not in parsed and "Model hash" not in parsed


def test_defaults_are_silent() -> None:
    said = labels(make_params())
    assert "Clip skip" not in said and "Denoising strength" not in said
    assert labels(make_params(clip_skip=2))["Clip skip"] == 2
    assert labels(make_params(denoising_strength=0.4)).get("Denoising strength") is None
    assert labels(make_params(mode="img2img", init_images=("x",)))["Denoising strength"] == 0.75


HIRES = {
    "enable_hr": True, "hr_upscaler": "Lanczos", "hr_second_pass_steps": 3, "hr_scale": 1.5, "hr_sampler": "Euler", "hr_scheduler": "Beta",
    "hr_cfg": 2.0, "hr_prompt": "b", "hr_negative_prompt": "c", "token_merging_ratio": 0.2, "token_merging_ratio_hr": 0.3,
}  # fmt: skip


def test_every_labelled_field_of_the_schema_can_appear() -> None:
    noise = {"eta_noise_seed_delta": 9, "randn_source": "NV", "subseed": 4, "subseed_strength": 0.5, **RESIZED}
    said = {
        **labels(make_params(mode="img2img", init_images=("x",), clip_skip=2, sampler="Euler a", eta=0.5, **noise)),
        **labels(make_params(sampler="Euler", scheduler="Beta", sgm_noise_multiplier=True, **CHURNED)),
        **labels(make_params(mode="img2img", init_images=("x",), initial_noise_multiplier=0.9, img2img_extra_noise=0.1)),
        **labels(make_params(tiling=True, sd_noise_schedule="Zero Terminal SNR", use_downcasted_alpha_bar=True, **HIRES)),
        **labels(make_params(enable_hr=True, hr_resize_x=128)),
        **labels(make_params(sampler="Euler", scheduler="Karras", always_discard_next_to_last_sigma=True, **RANGE)),
        **labels(
            make_params(mode="img2img", init_images=("x",), mask="m", soft_inpainting=True, inpainting_mask_invert=True, inpainting_fill=0)
        ),
    }
    assert {label_of(name) for name in GenerationParams.model_fields if not view_of(name).where_it_acts} - {None} <= said.keys()


def test_settings_that_are_told_where_they_act_are_left_to_the_recipe() -> None:
    acting = {"emphasis": "No norm", "s_min_uncond": 2.0, "s_min_uncond_all": True, "skip_early_cond": 0.2, "pad_cond_uncond": True}
    assert labels(make_params(**acting, pad_cond_uncond_v0=True, use_old_scheduling=True)) == labels(make_params())
    assert labels(make_params(**acting), NGMS="2.0")["NGMS"] == "2.0"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sampler": "Euler", **CHURNED}, {"Sigma churn": 4.0, "Sigma tmin": 0.5, "Sigma tmax": 8.0, "Sigma noise": 1.1}),
        ({"sampler": "Euler", "quiet": ("s_churn", "s_tmin", "s_tmax"), **CHURNED}, {"Sigma noise": 1.1}),
        ({"sampler": "DPM2 a", "scheduler": "Simple", **CHURNED}, {"Sigma noise": 1.1}),
        ({"sampler": "Euler a", **CHURNED}, {}),
        ({"sampler": "Euler", **RANGE}, {}),
        ({"sampler": "Euler", "scheduler": "Uniform", **RANGE}, {"Schedule min sigma": 0.1, "Schedule max sigma": 10.0}),
        ({"sampler": "DPM++ 2M", **RANGE}, {"Schedule min sigma": 0.1, "Schedule max sigma": 10.0, "Schedule rho": 5.0}),
        ({"sampler": "DDIM", "scheduler": "Karras", **RANGE}, {}),
        ({"sampler": "UniPC", "scheduler": "Beta"}, {}),
        ({"sampler": "Euler", "scheduler": "Beta"}, {"Beta schedule alpha": 0.6, "Beta schedule beta": 0.6}),
        ({"sampler": "Euler", "always_discard_next_to_last_sigma": True}, {"Discard penultimate sigma": True}),
        ({"sampler": "DPM2", "always_discard_next_to_last_sigma": True}, {}),
        ({"sampler": "Euler", "sgm_noise_multiplier": True}, {"SGM noise multiplier": True}),
        ({"sampler": "UniPC", "sgm_noise_multiplier": True}, {}),
        ({"sampler": "Euler", "sgm_noise_multiplier": True, "mode": "img2img", "init_images": ("x",)}, {}),
        ({"sampler": "Euler a", "eta_noise_seed_delta": 7}, {"ENSD": 7}),
        ({"sampler": "Euler a", "eta_noise_seed_delta": 7, "eta_ancestral": 0}, {"Eta": 0.0}),
        ({"sampler": "DPM++ SDE", "eta_noise_seed_delta": 7}, {}),
        ({"sampler": "DDIM", "eta_ancestral": 0.3, "eta_ddim": 0.4}, {"Eta DDIM": 0.4}),
        ({"sampler": "Euler a", "eta": 0.2, "eta_ancestral": 0.3}, {"Eta": 0.2}),
        ({"randn_source": "CPU", "sampler": "Euler"}, {"RNG": "CPU"}),
        ({"sampler": "Euler", "subseed": 4, "subseed_strength": 0.2}, {"Variation seed": 6, "Variation seed strength": 0.2}),
        ({"sampler": "Euler", "subseed": 4}, {}),
        ({"sampler": "Euler", **RESIZED}, {"Seed resize from": "96x64"}),
        ({"sampler": "Euler", "seed_resize_from_w": 96}, {}),
    ],
)
def test_rare_settings_stand_where_a1111_names_them(values: dict[str, object], said: dict[str, object]) -> None:
    plain = ("Denoising strength", "Schedule type", "Sampler", "Steps", "CFG scale", "Seed", "Size", "Model", "Model hash", "Version")
    fields = infotext_fields(make_params(**values), seed=5, model_name="m", model_hash="0", index=2)
    assert {label: value for label, value in fields if label not in plain} == said


def test_extras_land_in_their_place_and_may_not_repeat_a_setting() -> None:
    fields = infotext_fields(make_params(), seed=1, model_name="m", model_hash="0", extras={"Lora hashes": "a: b", "VAE": "v"})
    assert [label for label, _ in fields][-4:] == ["Model", "VAE", "Lora hashes", "Version"]
    with pytest.raises(ValueError, match="Seed"):
        infotext_fields(make_params(), seed=1, model_name="m", model_hash="0", extras={"Seed": 2})


@pytest.mark.parametrize(
    ("sampler", "scheduler", "label"),
    [
        ("DPM++ 2M", "Automatic", "Karras"),
        ("k_dpmpp_2m", "automatic", "Karras"),
        ("DPM++ 2M", "sgm_uniform", "SGM Uniform"),
        ("Euler", "Automatic", "Automatic"),
        ("DDIM", "Karras", "Karras"),
        ("DPM++ 2M Karras", "Simple", "Karras"),
        ("Nobody", "Nothing", "Nothing"),
    ],
)
def test_schedule_type_says_what_was_used(sampler: str, scheduler: str, label: str) -> None:
    assert schedule_label(sampler, scheduler) == label


def test_names_are_found_by_all_that_they_are_called() -> None:
    for sampler in SAMPLERS:
        for name in (sampler.name, sampler.name.upper(), *sampler.aliases):
            assert known_sampler(name) == (sampler, None)
        for scheduler in SCHEDULERS:
            assert known_sampler(f"{sampler.name} {scheduler.label}") == (sampler, scheduler)
    for scheduler in SCHEDULERS:
        assert all(known_scheduler(name) is scheduler for name in (scheduler.name, scheduler.label, *(scheduler.aliases or ())))
    assert known_sampler("DPM++ 9M Karras") == (None, known_scheduler("karras"))
    assert known_sampler("") == known_sampler("Euler" + " Karras" * 100_000) == (None, None)


def test_imports_without_torch() -> None:
    code = "import sys, app.metadata; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'diffusers', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


@pytest.mark.parametrize(
    ("sampler", "eta", "field"),
    [
        ("Euler a", 0.5, ("Eta", 0.5)),
        ("Euler a", 0.0, ("Eta", 0.0)),
        ("Euler a", 1.0, None),
        ("Euler a", None, None),
        ("DDIM", 1.0, ("Eta DDIM", 1.0)),
        ("DDIM", 0.0, None),
        ("Euler", 0.5, None),
    ],
)
def test_eta_has_two_labels_and_stands_only_where_it_acts(sampler: str, eta: float | None, field: tuple[str, float] | None) -> None:
    said = labels(make_params(sampler=sampler, eta=eta))
    assert [(label, value) for label, value in said.items() if label.startswith("Eta")] == ([] if field is None else [field])
