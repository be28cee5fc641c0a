"""Names of files and folders: A1111's patterns, and that no text in a prompt makes a name that some system refuses."""

from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.jobs.patterns import NameFacts, file_stem, folders
from app.jobs.safe_names import MAX_NAME_BYTES, safe_folders, safe_name
from app.schema.params import make_params

PROMPT = "1gir, white space, ((very important)), [not important], (some value_1.5)"
PARAMS = make_params(
    prompt=PROMPT, negative_prompt="fog", seed=100, batch_size=2, n_iter=2, steps=20, cfg_scale=7, sampler="Euler a", width=512, height=768
)
ALONE = make_params(**(PARAMS.model_dump() | {"batch_size": 1, "n_iter": 1}))


def facts(index=3, params=PARAMS, **more) -> NameFacts:
    common = {
        "seed": params.seed_of(index),
        "index": index,
        "width": 512,
        "height": 768,
        "model_name": "sd/v1-4",
        "model_hash": "7460a6fa12",
    }
    times = {"now": datetime(2022, 10, 25, 1, 31, 6, 733877), "job_started": datetime(2022, 10, 25, 1, 30)}
    return NameFacts(params=params, **(common | times | more))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[seed]", "103"),
        ("[seed_first]-[seed_last]", "102-103"),
        ("[steps]_[cfg]_[sampler]_[scheduler]", "20_7.0_Euler a_Automatic"),
        ("[model_name] ([model_hash])", "sd_v1-4 (7460a6fa12)"),
        ("[width]x[height]", "512x768"),
        ("[date] [job_timestamp] [datetime]", "2022-10-25 20221025013000 20221025013106"),
        ("[datetime<%Y%m%d_%H%M%S_%f>]", "20221025_013106_733877"),
        ("[datetime<%H:%M>]", "01_31"),
        ("[datetime<><No/Where>]", "20221025013106"),
        ("[prompt]", "1gir,_white_space,_((very_important)),_[not_important],_(some_value_1.5)"),
        ("[prompt_spaces]", PROMPT),
        ("[prompt_words]", "1gir white space very important not important some"),
        ("[prompt_hash]-[prompt_hash<4>]", "9ef1e039-9ef1"),
        ("[hasprompt<white|black><cat|no cat><fog>]", "whiteno cat"),
        ("[clip_skip][batch_size]", "12"),
        ("a-[batch_number]-[generation_number]", "a-2-4"),
        ("[styles]", "None"),
        ("[none]", ""),
        ("[[model_name]]_[seed]", "[sd_v1-4]_103"),
        ("[unknown]-[seed]", "[unknown]-103"),
        ("x[seed", "x[seed"),
        ("[denoising]", ""),
        ("[seed]-[user]", "103"),
        ("a/b\\c", "a_b_c"),
    ],
)
def test_patterns(pattern, name):
    assert file_stem(pattern, facts()) == name


def test_the_name_that_somebody_signed_in_with():
    assert file_stem("[seed]-[user]", facts(user="Ada/Byron")) == "103-Ada_Byron"


def test_a_pattern_that_says_nothing_takes_the_text_before_it_along():
    assert file_stem("[seed]-[batch_number]-[generation_number]", facts(0, ALONE)) == "100"
    assert file_stem("[seed]-[seed_last]", facts(0, ALONE)) == "100"


def test_a_time_zone():
    utc = file_stem("[datetime<%d %H><UTC>]", facts(now=datetime.fromisoformat("2022-10-25T01:31:06+02:00")))
    assert (utc, file_stem("[datetime<%d %H><Asia/Tokyo>]", facts(now=datetime.fromisoformat("2022-10-25T01:31:06+02:00")))) == (
        "24 23",
        "25 08",
    )


def test_a_prompt_without_its_styles():
    params = make_params(prompt="a cat, oil painting", merged_styles=("Oil",))
    named = facts(0, params, known_styles=(("Oil", "oil painting", ""), ("Cat", "a cat", "")))
    assert file_stem("[prompt_no_styles] [styles]", named) == "a cat Oil"


def test_the_hash_of_a_picture():
    assert file_stem("[image_hash<12>]", facts(pixels=b"abc")) == "ba7816bf8f01"


def test_folders_come_from_the_pattern_not_from_values():
    assert folders("[model_name]/[date]", facts()) == ("sd_v1-4", "2022-10-25")
    assert folders("../../[seed]/./x..", facts()) == ("103", "x")
    assert folders("", facts()) == ("1gir white space very important not important some",)
    assert folders("/etc/[none]", facts()) == ("etc",)
    assert len(folders("a/" * 50, facts())) == 8


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("..", ""),
        (".hidden", "hidden"),
        ("ends with dots. . .", "ends with dots"),
        ('<>:"/\\|?*#', "__________"),
        ("a\nb\tc\x00d", "a_b_c_d"),
        ("turned \u202egnp.exe", "turned _gnp.exe"),
        ("cafe\u0301", "café"),
        ("", ""),
    ],
)
def test_names_are_safe(text, name):
    assert safe_name(text) == name


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters() | st.characters(categories=("Cs",)), max_size=500))
@example("x" * 10_000)
@example("犬" * 500)
@example("COM1.")
@example(" . CON . ")
def test_no_text_makes_a_bad_name(text):
    name = safe_name(text)
    assert len(name.encode()) <= MAX_NAME_BYTES + 1
    assert not set(name) & set('<>:"/\\|?*#\x00\n\r\t') and name == name.strip(" .")
    assert name.split(".")[0].upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT1")
    assert safe_name(name) == name, "a safe name stays as it is"
    assert all(part not in ("", ".", "..") for part in safe_folders(text))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.text(alphabet="[]<>|%/\\.seedpromtaYH$ ", max_size=200))
def test_no_pattern_fails(prompt, pattern):
    params = make_params(prompt=prompt)
    assert isinstance(file_stem(pattern, facts(0, params)), str)
    assert all(folders(pattern, facts(0, params)))
