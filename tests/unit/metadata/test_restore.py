"""Settings that come back from texts: ours without loss, other programs' as far as we know their words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metadata import format_infotext, infotext_fields, params_from_infotext, parse_infotext
from app.metadata.compat import uses_emphasis
from app.metadata.fields import label_of
from app.schema.params import MAX_PIXELS, MAX_SEED, GenerationParams, make_params
from app.schema.samplers import SAMPLERS, SCHEDULERS

LINE = st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(
    lambda line: line == line.strip() and line and not line.startswith(("Negative prompt:", "Steps: "))
)
TEXT = st.lists(LINE, max_size=3).map("\n".join)
FLOAT = st.floats(-100, 1000, allow_nan=False)
PARAMS = st.fixed_dictionaries(
    {
        "prompt": TEXT,
        "negative_prompt": TEXT,
        "steps": st.integers(1, 1000),
        "sampler": st.sampled_from([sampler.name for sampler in SAMPLERS]),
        "scheduler": st.sampled_from([scheduler.label for scheduler in SCHEDULERS]),
        "cfg_scale": FLOAT,
        "seed": st.integers(0, MAX_SEED),
        "width": st.integers(8, 8000),
        "height": st.integers(8, 8000),
        "clip_skip": st.integers(1, 12),
        "denoising_strength": st.floats(0, 1),
    }
)
RESET = {"randn_source": "GPU", "sigma_min": 0.0, "sigma_max": 0.0, "rho": 0.0, "hr_resize_x": 0, "hr_resize_y": 0,
         "refiner_switch_by_sample_steps": False}  # fmt: skip
"""What a text says by its silence, as in A1111: these fields go back to their defaults."""
RESET_RHO = {"rho": 0.0}
RARE = {
    "eta_noise_seed_delta": 31337, "randn_source": "NV", "subseed": 7, "subseed_strength": 0.25, "seed_resize_from_w": 96,
    "seed_resize_from_h": 64, "s_churn": 4.0, "s_tmin": 0.5, "s_tmax": 8.0, "s_noise": 1.1, "sigma_min": 0.1, "sigma_max": 10.0, "rho": 5.0,
    "beta_dist_alpha": 0.8, "beta_dist_beta": 0.5, "always_discard_next_to_last_sigma": True, "sgm_noise_multiplier": True,
}  # fmt: skip
ACTED = {
    "emphasis": "No norm", "skip_early_cond": 0.2, "s_min_uncond": 2.5, "s_min_uncond_all": True, "pad_cond_uncond": True,
    "pad_cond_uncond_v0": True, "use_old_scheduling": True, "vae": "v.safetensors", "hr_checkpoint": "b", "refiner_checkpoint": "b [0123]",
    "refiner_switch_at": 0.5, "refiner_switch_by_sample_steps": True, "hires_fix_refiner_pass": "both passes", "vae_tiling": True,
    "text_encoder": "c [4567]",
}  # fmt: skip
HIRES = {
    "enable_hr": True, "denoising_strength": 0.4, "hr_upscaler": "Latent (nearest)", "hr_second_pass_steps": 4, "hr_sampler": "Euler a",
    "hr_scheduler": "Karras", "hr_cfg": 3.0, "hr_prompt": "a dog, \"quoted\": x", "hr_negative_prompt": "b",
    "token_merging_ratio": 0.2, "token_merging_ratio_hr": 0.5, "img2img_extra_noise": 0.1, "tiling": True,
    "sd_noise_schedule": "Zero Terminal SNR", "use_downcasted_alpha_bar": True,
}  # fmt: skip


@pytest.mark.parametrize(("sampler", "scheduler", "told"), [("Euler", "Beta", 16), ("Euler", "Karras", 14), ("Euler a", "Karras", 11)])
def test_every_rare_field_comes_back(sampler: str, scheduler: str, told: int) -> None:
    params = make_params(prompt="a", sampler=sampler, scheduler=scheduler, seed=1, **RARE)
    extras = {label_of(name): str(value) for name, value in ACTED.items()}
    text = format_infotext("a", "", infotext_fields(params, seed=1, model_name="m", model_hash="", extras=extras))
    for restored in (params_from_infotext(text), params_from_infotext(parse_infotext(text))):
        assert restored.extras == {} and restored.warnings == ()
        again = {**RARE, **ACTED} | dict(restored.values)  # no sampler's text has all of them: those that are there must be equal
        assert {name: again[name] for name in (*RARE, *ACTED)} == {**RARE, **ACTED} | (RESET_RHO if scheduler == "Beta" else {})
        assert len(restored.values.keys() & RARE.keys()) == told


MASKED = {
    "mask_blur_x": 6, "mask_blur_y": 6, "inpainting_mask_invert": True, "inpainting_fill": 2, "inpaint_full_res": True,
    "inpaint_full_res_padding": 8, "soft_inpainting": True, "soft_inpainting_bias": 2.5, "soft_inpainting_preservation": 1,
    "soft_inpainting_contrast": 8, "soft_inpainting_mask_influence": 0.25, "soft_inpainting_threshold": 1,
    "soft_inpainting_difference_contrast": 4,
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(PARAMS)
def test_every_labelled_field_comes_back(values: dict[str, object]) -> None:
    params = make_params(mode="img2img", init_images=("id",), **values)
    text = format_infotext(
        params.prompt, params.negative_prompt, infotext_fields(params, seed=params.seed, model_name="a model, v2", model_hash="0123456789")
    )
    for restored in (params_from_infotext(text), params_from_infotext(parse_infotext(text))):
        again = dict(restored.values)
        automatic = next(sampler.automatic for sampler in SAMPLERS if sampler.name == params.sampler)
        if params.scheduler == "Automatic" and automatic:
            assert again.pop("scheduler") == automatic.title()
        else:
            assert again.pop("scheduler") == params.scheduler
        if again.pop("emphasis", None) is not None:
            assert uses_emphasis(params.prompt) or uses_emphasis(params.negative_prompt)
        beta = {name: again.pop(name, None) for name in ("beta_dist_alpha", "beta_dist_beta")}  # always told with that schedule
        assert set(beta.values()) <= {None, 0.6}
        assert again == {name: value for name, value in values.items() if name != "scheduler"} | RESET
        assert (restored.model_name, restored.model_hash) == ("a model, v2", "0123456789")
        assert restored.extras == {} and restored.warnings == ()
        assert make_params(**restored.values).seed == params.seed


def test_every_labelled_field_is_in_the_round_trip() -> None:
    labelled = {name for name in GenerationParams.model_fields if label_of(name)}
    named = {"steps", "sampler", "scheduler", "cfg_scale", "seed", "width", "height", "clip_skip", "denoising_strength", "checkpoint"}
    sizes = {"hr_scale", "hr_resize_x", "hr_resize_y", "initial_noise_multiplier"}
    inpaint = MASKED.keys() | {"image_cfg_scale", "inpainting_mask_weight"}
    assert labelled == named | inpaint | RARE.keys() | ACTED.keys() | HIRES.keys() - {"enable_hr"} | sizes | {"eta"}  # eta: see below


@pytest.mark.parametrize("words", [{}, {"inpainting_fill": 3}])
def test_settings_of_a_mask_come_back(words: dict[str, object]) -> None:
    masked = MASKED | words
    params = make_params(mode="img2img", init_images=("id",), mask="id", **masked, inpainting_mask_weight=0.5, image_cfg_scale=1.5)
    told = {"Inpaint area": "Only masked", "Masked area padding": "8", "Conditional mask weight": "0.5", "Image CFG scale": "1.5"}
    fields = infotext_fields(params, seed=1, model_name="m", model_hash="", extras=told)
    text = format_infotext("a", "", fields)
    assert f"Mask blur: 6, Inpaint area: Only masked, Masked area padding: 8, Masked content: {dict(fields)['Masked content']}" in text
    for restored in (params_from_infotext(text), params_from_infotext(parse_infotext(text))):
        assert restored.extras == {} and restored.warnings == ()
        again = masked | {"inpainting_mask_weight": 0.5, "image_cfg_scale": 1.5}
        assert {name: restored.values[name] for name in again} == again


def test_settings_of_a_mask_are_silent_without_one() -> None:
    said = infotext_fields(make_params(mode="img2img", init_images=("id",), **MASKED), seed=1, model_name="m", model_hash="")
    assert not [label for label, _ in said if "ask" in label or "npaint" in label]
    unlike = make_params(mode="img2img", init_images=("id",), mask="id", mask_blur_x=2, mask_blur_y=4)
    assert "Mask blur" not in dict(infotext_fields(unlike, seed=1, model_name="m", model_hash=""))


@pytest.mark.parametrize("size", [{"hr_scale": 1.5}, {"hr_resize_x": 128, "hr_resize_y": 96}, {"hr_resize_x": 128, "hr_resize_y": 0}])
def test_the_hires_fix_comes_back(size: dict[str, object]) -> None:
    params = make_params(prompt="a", sampler="Euler", **HIRES, **size)
    text = format_infotext("a", "", infotext_fields(params, seed=1, model_name="m", model_hash=""))
    for restored in (params_from_infotext(text), params_from_infotext(parse_infotext(text))):
        assert restored.extras == {} and restored.warnings == ()
        assert {name: restored.values[name] for name in (*HIRES, *size)} == {**HIRES, **size}


def test_hires_settings_that_are_the_first_passs_are_silent() -> None:
    params = make_params(prompt="a", sampler="Euler", scheduler="Karras", enable_hr=True, hr_sampler="Euler", hr_scheduler="Karras",
                         hr_prompt="a", hr_cfg=7.0)  # fmt: skip
    said = dict(infotext_fields(params, seed=1, model_name="m", model_hash=""))
    assert {label for label in said if label.startswith("Hires")} == {"Hires upscale"}
    assert said["Denoising strength"] == 0.75
    plain = infotext_fields(make_params(**{**HIRES, "enable_hr": False}), seed=1, model_name="m", model_hash="")
    assert not [label for label, _ in plain if label.startswith("Hires") or label == "Denoising strength"]


def test_words_for_the_same_and_unknown_names_of_the_hires_pass() -> None:
    head = "a\nSteps: 1, Sampler: Euler, Seed: 2, Denoising strength: 0.5, Hires upscale: 2"
    same = params_from_infotext(f"{head}, Hires sampler: Use same sampler, Hires checkpoint: Use same checkpoint")
    assert same.values["enable_hr"] is True and not {"hr_sampler", "hr_checkpoint"} & same.values.keys() and same.extras == {}
    unknown = params_from_infotext(f"{head}, Hires sampler: Oiler, Hires upscale: 200")
    assert unknown.extras == {"Hires sampler": "Oiler", "Hires upscale": "200"} and len(unknown.warnings) == 2


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM"])
def test_eta_comes_back_from_either_label(sampler: str) -> None:
    params = make_params(prompt="a", sampler=sampler, eta=0.25)
    text = format_infotext("a", "", infotext_fields(params, seed=1, model_name="m", model_hash=""))
    restored = params_from_infotext(text)
    assert restored.values["eta"] == 0.25 and restored.extras == {} and restored.warnings == ()


def test_extras_come_back_too() -> None:
    extras = {"VAE hash": "34b1", "Loops": "4", "Lora hashes": "a: 1, b: 2"}
    fields = infotext_fields(make_params(), seed=1, model_name="m", model_hash="0", extras=extras)
    text = format_infotext("a", "", fields)
    assert params_from_infotext(text).extras == extras
    assert params_from_infotext(parse_infotext(text)).extras == extras


@pytest.mark.parametrize(
    ("settings_line", "sampler", "scheduler"),
    [
        ("Sampler: DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("Sampler: DPM++ 2M Karras, Schedule type: Exponential", "DPM++ 2M", "Karras"),
        ("Sampler: k_euler_a", "Euler a", "Automatic"),
        ("sampler: euler A", "Euler a", "Automatic"),
        ("Sampler: Euler, Schedule type: SGMUniform", "Euler", "SGM Uniform"),
        ("Sampler: DPM++ 2M, Version: v1.8.0", "DPM++ 2M", "Uniform"),
        ("Sampler: DPM++ 2M, Version: v1.9.0", "DPM++ 2M", "Automatic"),
        ("Sampler: Euler, Version: v1.8.0", "Euler", "Automatic"),
    ],
)
def test_sampler_and_scheduler(settings_line: str, sampler: str, scheduler: str) -> None:
    values = params_from_infotext(f"a\nSteps: 1, Seed: 2, {settings_line}").values
    assert (values["sampler"], values["scheduler"]) == (sampler, scheduler)


def test_unknown_names_stay_and_are_named() -> None:
    restored = params_from_infotext("a\nSteps: 1, Seed: 2, Sampler: Oiler Karras, Schedule type: Turbo")
    assert restored.extras == {"Sampler": "Oiler Karras"}
    assert restored.values["scheduler"] == "Karras" and "sampler" not in restored.values
    assert len(restored.warnings) == 1 and "'Oiler Karras'" in restored.warnings[0]
    restored = params_from_infotext("a\nSteps: 1, Seed: 2, Sampler: Euler, Schedule type: Turbo")
    assert restored.extras == {"Schedule type": "Turbo"} and "'Turbo'" in restored.warnings[0]


@pytest.mark.parametrize(
    ("field", "label"),
    [("Steps: 0", "Steps"), ("Seed: -7", "Seed"), ("CFG scale: high", "CFG scale"), ("Clip skip: 99", "Clip skip"), ("Size: 1x1", "Size")],
)
def test_values_out_of_range_are_left_out_and_said(field: str, label: str) -> None:
    restored = params_from_infotext(f"a\nBatch size: 2, Batch pos: 1, {field}, Face restoration: CodeFormer")
    assert restored.extras[label] == field.split(": ")[1]
    assert len(restored.warnings) == 1 and restored.warnings[0].startswith(label)
    make_params(**restored.values)


def test_size_is_judged_as_a_whole() -> None:
    restored = params_from_infotext("a\nSteps: 1, Seed: 1, Size: 16000x16000")
    assert MAX_PIXELS < 16000 * 16000 and "width" not in restored.values and restored.warnings
    restored = params_from_infotext("a\nSteps: 1, Seed: 1, Size: 512 x 512")
    assert restored.extras == {"Size": "512 x 512"} and "not readable" in restored.warnings[0]


def test_a_bare_prompt_sets_nothing_else() -> None:
    assert params_from_infotext("a (cat:1.2)").values == {"prompt": "a (cat:1.2)", "negative_prompt": ""}
    assert params_from_infotext("").values == {"prompt": "", "negative_prompt": ""}


def test_labels_of_another_case_are_understood() -> None:
    restored = params_from_infotext("a\nsteps: 7, CFG Scale: 5, Denoising Strength: 0.3, seed: 4, size: 64x72, MODEL HASH: ABCDEF01")
    assert restored.values == {
        "prompt": "a", "negative_prompt": "", "steps": 7, "cfg_scale": 5.0, "denoising_strength": 0.3, "seed": 4, "width": 64, "height": 72,
        "clip_skip": 1, "scheduler": "Automatic", **RESET,
    }  # fmt: skip
    assert restored.model_hash == "abcdef01"


def test_json_values_are_taken_whole() -> None:
    hashes = '{"model": "0123456789", "lora:x, y": "ab"}'
    resources = '[{"type":"checkpoint","weight":1.0}, {"type":"lora"}]'
    text = (
        f"a\nSteps: 5, Seed: 1, Hashes: {hashes}, Size: 64x64, Civitai resources: {resources}, Clip skip: 2, Note: {{broken, Sampler: Euler"
    )
    restored = params_from_infotext(text)
    assert restored.extras == {"Hashes": hashes, "Civitai resources": resources, "Note": "{broken"}
    assert restored.model_hash == "0123456789" and restored.values["clip_skip"] == 2 and restored.values["sampler"] == "Euler"
    assert params_from_infotext("a\nSteps: 5, Seed: 1, Size: 8x8, Hashes: [1]").model_hash == ""
    deep = params_from_infotext("a\nSteps: 5, Seed: 1, Size: 8x8, Hashes: " + "[" * 100_000)
    assert deep.values["steps"] == 5


def test_lines_behind_the_settings() -> None:
    text = "a\nNegative prompt: b\nSteps: 5, Seed: 1, Size: 64x64\nTemplate: {x|y}\nNegative Template: z"
    restored = params_from_infotext(text)
    assert restored.values["prompt"] == "a" and restored.values["negative_prompt"] == "b" and restored.values["steps"] == 5
    assert restored.extras == {"Template": "{x|y}", "Negative Template": "z"}
    assert params_from_infotext("a\nSteps: 5, few\nb").values["prompt"] == "a\nSteps: 5, few\nb"


def test_old_hires_and_old_switches() -> None:
    text = "[a:b:0.5]\nSteps: 9, Sampler: DDIM, Seed: 1, Size: 512x768, First pass size: 0x0, Version: v1.5.1"
    restored = params_from_infotext(text)
    assert (restored.values["width"], restored.values["height"]) == (448, 640)
    assert (restored.values["hr_resize_x"], restored.values["hr_resize_y"]) == (512, 768) and restored.values["pad_cond_uncond_v0"] is True
    assert restored.values["use_old_scheduling"] is True and restored.values["use_downcasted_alpha_bar"] is True
    assert restored.version == "v1.5.1" and "Emphasis" not in restored.extras


def test_styles_of_a_parsed_dictionary() -> None:
    parsed = parse_infotext("a, oil painting\nSteps: 1, Seed: 2, Size: 8x8", [("Oil", "oil painting", "")])
    restored = params_from_infotext(parsed)
    assert restored.styles == ("Oil",) and restored.values["prompt"] == "a"


def test_a_prompt_over_the_limit_is_said() -> None:
    restored = params_from_infotext("a" * 200_000)
    assert "prompt" not in restored.values and restored.warnings[0].startswith("Prompt")


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from('ab:,"\\ \n[]{}1.xSteps') | st.characters()), st.dictionaries(st.text(), st.integers() | st.text() | st.none())
)
def test_nothing_makes_it_fail(text: str, fields: dict[str, object]) -> None:
    make_params(**params_from_infotext(text).values)
    make_params(**params_from_infotext(f"a\nSteps: 3, Size: 8x8, Seed: 1, {text}").values)
    make_params(**params_from_infotext(fields).values)
