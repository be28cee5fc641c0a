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
from app.schema.params import GenerationParams, make_params
from app.schema.samplers import SAMPLERS, SCHEDULERS

DATA = Path(__file__).parents[2] / "data" / "parser"
CASES = json.loads((DATA / "infotext_cases.json").read_text(encoding="utf-8"))
LABELS = json.loads((DATA / "infotext_labels.json").read_text(encoding="utf-8"))


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


def test_every_labelled_field_of_the_schema_can_appear() -> None:
    params = make_params(mode="img2img", init_images=("x",), clip_skip=2, sampler="Euler a", eta=0.5)
    said = labels(params)
    assert {label_of(name) for name in GenerationParams.model_fields} - {None} <= said.keys()


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
