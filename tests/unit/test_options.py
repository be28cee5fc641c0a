"""A1111's options: the whole list, what may be set, what stays, and that one request's wishes never leak into the next."""

import errno
import json
import logging
import os
import threading
from pathlib import Path

import pytest

from app.jobs import DiskFull, OptionsStore
from app.schema.disk import CannotSave
from app.schema.errors import InvalidParams, NotSupported, UnknownName
from app.schema.options import KEPT, accept_value, default_values, find_option, option_table
from app.schema.params import GenerationParams, make_params, view_of

A1111_DEFAULTS = {
    "samples_format": "png",
    "jpeg_quality": 80,
    "CLIP_stop_at_last_layers": 1,
    "comma_padding_backtrack": 20,
    "eta_ancestral": 1.0,
    "randn_source": "GPU",
    "show_progress_type": "Approx NN",
    "quicksettings_list": ["sd_model_checkpoint"],
    "upscaler_for_img2img": None,
    "keyedit_delimiters": ".,\\/!?%^*;:{}=`~() ",
    "grid_save": True,
    "outdir_txt2img_samples": "outputs/txt2img-images",
}


@pytest.fixture
def store(tmp_path: Path) -> OptionsStore:
    return OptionsStore(tmp_path / "config.json")


def check(name: str) -> str:
    """What the catalogue answers: a title for a name, or UnknownName."""
    known = {"pocket": "pocket.safetensors [485672b45d]", "pocket.safetensors [485672b45d]": "pocket.safetensors [485672b45d]"}
    if name not in known:
        raise UnknownName("checkpoint", name, known)
    return known[name]


# the table


def test_all_of_a1111s_options_are_listed_with_its_defaults():
    defaults = default_values()
    assert len([name for name in defaults if not option_table()[name].own]) == 329
    assert list(defaults)[329:] == ["darkroom_params_chunk", "darkroom_strip_downloads", "sd_text_encoder"]
    assert {name: defaults[name] for name in A1111_DEFAULTS} == A1111_DEFAULTS
    assert all(type(defaults[name]) is type(value) for name, value in A1111_DEFAULTS.items())


def test_the_list_names_no_machine():
    assert not [name for name, value in default_values().items() if isinstance(value, str) and value.startswith(("/", "DATA", "APP"))]
    assert default_values()["sd_model_checkpoint"] == ""


def test_every_option_has_a_standing_and_every_kept_one_a_reason():
    table = option_table()
    standings = {name: option.standing for name, option in table.items()}
    assert set(standings.values()) == {"live", "page", "ignored", "kept"}
    assert all(bool(option.reason) == (option.standing == "kept") for option in table.values())
    assert {option.group for option in table.values() if option.standing == "kept"} == set(KEPT)
    assert (standings["samples_save"], standings["auto_backcompat"], standings["send_seed"]) == ("live", "kept", "page")


def test_options_that_are_fields_of_a_job_are_live_and_have_its_default():
    fields = {view_of(name).option: name for name in GenerationParams.model_fields if view_of(name).option}
    renamed = {
        "sd_model_checkpoint": "checkpoint",
        "CLIP_stop_at_last_layers": "clip_skip",
        "sd_vae": "vae",
        "sd_vae_overrides_per_model_preferences": "vae_wins",
        "sd_text_encoder": "text_encoder",
        "sd_lora": "extra_lora",
        "sd_hypernetwork": "extra_hypernetwork",
    }
    assert {option: field for option, field in fields.items() if option != field} == renamed
    assert {"eta_ancestral", "s_churn", "randn_source", "emphasis", "s_min_uncond", "uni_pc_order"} <= fields.keys()
    for option, field in fields.items():
        assert option_table()[option].field == field and option_table()[option].standing == "live"
        assert option_table()[option].default == GenerationParams.model_fields[field].default


def test_defaults_are_fresh_each_time():
    default_values()["quicksettings_list"].append("x")
    assert default_values()["quicksettings_list"] == ["sd_model_checkpoint"]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("CLIP_stop_at_last_layers", 2, 2),
        ("CLIP_stop_at_last_layers", 2.0, 2),
        ("CLIP_stop_at_last_layers", "2", 2),
        ("CLIP_stop_at_last_layers", "2.0", 2),
        ("jpeg_quality", 85.0, 85),
        ("keyedit_precision_attention", 1, 1.0),
        ("samples_save", 0, False),
        ("samples_save", 0.0, False),
        ("samples_save", "no", False),
        ("samples_save", "False", False),
        ("gallery_height", 512, "512"),
        ("quicksettings_list", ("sd_vae", "sd_model_checkpoint"), ["sd_vae", "sd_model_checkpoint"]),
        ("img2img_background_color", "#203080", "#203080"),
        ("show_progress_every_n_steps", -1, -1),
    ],
)
def test_values_are_taken_in_the_options_own_type(name, value, stored):
    option = find_option(name)
    accepted = accept_value(option, value, option.default)
    assert accepted == stored and type(accepted) is type(stored)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CLIP_stop_at_last_layers", 1.5, "Option CLIP_stop_at_last_layers should be a whole number (given: '1.5')."),
        ("CLIP_stop_at_last_layers", "two", "Option CLIP_stop_at_last_layers should be a number (given: 'two')."),
        ("CLIP_stop_at_last_layers", True, "Option CLIP_stop_at_last_layers should be a number (given: 'True')."),
        ("CLIP_stop_at_last_layers", [2], "Option CLIP_stop_at_last_layers should be a number (given: '[2]')."),
        ("CLIP_stop_at_last_layers", "inf", "Option CLIP_stop_at_last_layers should be a finite number (given: 'inf')."),
        ("CLIP_stop_at_last_layers", 10**400, "Option CLIP_stop_at_last_layers should be a number"),
        ("CLIP_stop_at_last_layers", 13, "Option CLIP_stop_at_last_layers: input should be less than or equal to 12 (given: '13')."),
        ("samples_save", "perhaps", "Option samples_save should be true or false (given: 'perhaps')."),
        ("samples_save", 2, "Option samples_save should be true or false (given: '2')."),
        ("samples_format", "gif", "Option samples_format should be one of png, jpg, jpeg, webp, avif (given: 'gif')."),
        ("randn_source", "TPU", "Option randn_source should be one of CPU, GPU, NV (given: 'TPU')."),
        ("sigma_min", -1, "Option sigma_min: input should be greater than or equal to 0 (given: '-1.0')."),
        ("samples_format", True, "Option samples_format should be a text (given: 'True')."),
        ("samples_format", {}, "Option samples_format should be a text (given: '{}')."),
        ("jpeg_quality", 0, "Option jpeg_quality should be 1 or more (given: '0')."),
        ("jpeg_quality", 101, "Option jpeg_quality should be 100 or less (given: '101')."),
        ("img2img_background_color", "white", "Option img2img_background_color should be like #ffffff (given: 'white')."),
        ("quicksettings_list", "sd_vae", "Option quicksettings_list should be a list of texts (given: 'sd_vae')."),
        ("quicksettings_list", [1], "Option quicksettings_list should be a list of texts (given: '[1]')."),
        ("quicksettings_list", ["x"] * 5000, "Option quicksettings_list should be at most 1000 texts"),
        ("gallery_height", "x" * 10**6, "Option gallery_height should be at most 10000 characters long"),
    ],
)
def test_values_of_the_wrong_kind_are_told_in_one_sentence(name, value, sentence):
    option = find_option(name)
    with pytest.raises(InvalidParams) as error:
        accept_value(option, value, option.default)
    assert str(error.value).startswith(sentence) and len(str(error.value)) < 250


# setting


def test_setting_and_reading(store):
    assert store.get("CLIP_stop_at_last_layers") == 1
    assert store.set_many({"CLIP_stop_at_last_layers": 2.0, "samples_save": True}) == {"CLIP_stop_at_last_layers": 2}
    assert store.get("CLIP_stop_at_last_layers") == 2 == store.get_all()["CLIP_stop_at_last_layers"]
    assert list(store.get_all()) == list(option_table())


def test_what_was_set_survives_a_restart(store, tmp_path):
    store.set_many({"samples_format": "webp", "quicksettings_list": ["sd_vae"], "sd_model_checkpoint": "pocket"}, check_checkpoint=check)
    again = OptionsStore(tmp_path / "config.json")
    assert again.get_all() == store.get_all()
    assert again.get("sd_model_checkpoint") == "pocket.safetensors [485672b45d]"


def test_a_client_that_posts_everything_back_changes_nothing(store, tmp_path):
    assert store.set_many(store.get_all(), check_checkpoint=check) == {}
    assert not (tmp_path / "config.json").exists()
    store.set_many({"sd_model_checkpoint": "pocket", "jpeg_quality": 90}, check_checkpoint=check)
    before = (tmp_path / "config.json").read_bytes()
    floats = {name: float(value) if type(value) is int else value for name, value in store.get_all().items()}
    assert store.set_many(floats, check_checkpoint=check) == {}
    assert (tmp_path / "config.json").read_bytes() == before and store.get("jpeg_quality") == 90


def test_texts_of_the_settings_page_and_the_hash_are_taken_and_ignored(store):
    assert store.set_many({"sd_vae_explanation": "<abbr>", "sd_checkpoint_hash": "c7388cc811", "settings_in_ui": "x"}) == {}
    assert store.get("sd_checkpoint_hash") == ""


def test_null_leaves_an_option_as_it_is(store):
    store.set_many({"CLIP_stop_at_last_layers": 3})
    assert store.set_many({"CLIP_stop_at_last_layers": None, "tiling": None, "sd_model_checkpoint": None}) == {}
    assert store.get("CLIP_stop_at_last_layers") == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("save_init_img", True),
        ("ddim_discretize", "quad"),
        ("sd_vae_decode_method", "TAESD"),
        ("outdir_save", "/etc"),
        ("face_restoration", "nonsense"),
        ("interrogate_return_ranks", True),
        ("upscaler_for_img2img", "Lanczos"),
    ],
)
def test_what_is_not_there_yet_is_refused_with_the_reason(store, name, value):
    with pytest.raises(NotSupported) as error:
        store.set_many({name: value})
    option = find_option(name)
    assert str(error.value) == f"Option {name} cannot be {json.dumps(value)}: {option.reason}. It stays at {json.dumps(option.default)}."
    assert store.get(name) == option.default


@pytest.mark.parametrize(("name", "value"), [("return_grid", False), ("grid_save", False), ("export_for_4chan", 0)])
def test_asking_for_what_is_done_anyway_is_granted(store, name, value):
    store.set_many({name: value})
    assert store.get(name) == value
    store.set_many({name: find_option(name).default})
    assert store.get(name) == find_option(name).default


def test_all_or_nothing(store, tmp_path):
    refused: tuple[tuple[dict[str, object], type[Exception]], ...] = (
        ({"save_init_img": True}, NotSupported),
        ({"jpeg_quality": "x"}, InvalidParams),
        ({"no_such_option": 1}, UnknownName),
    )
    for bad, error in refused:
        with pytest.raises(error):
            store.set_many({"CLIP_stop_at_last_layers": 2, **bad})
    with pytest.raises(UnknownName, match="checkpoint 'nope'"):
        store.set_many({"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "nope"}, check_checkpoint=check)
    assert store.get_all() == default_values() and not (tmp_path / "config.json").exists()


def test_unknown_names_are_answered_with_near_ones(store):
    with pytest.raises(UnknownName, match="CLIP_stop_at_last_layers") as error:
        store.get("CLIP_stop_at_last_layer")
    assert error.value.name == "CLIP_stop_at_last_layer"


def test_a_checkpoint_that_is_set_already_is_not_looked_up_again(store):
    store.set_many({"sd_model_checkpoint": "pocket"}, check_checkpoint=check)

    def gone(name: str) -> str:
        raise UnknownName("checkpoint", name, ())

    assert store.set_many({"sd_model_checkpoint": store.get("sd_model_checkpoint")}, check_checkpoint=gone) == {}
    assert store.set_many({"sd_model_checkpoint": ""}, check_checkpoint=gone) == {"sd_model_checkpoint": ""}


def test_a_full_disk_changes_nothing(store, tmp_path, monkeypatch):
    store.set_many({"jpeg_quality": 90})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull, match="the options could not be saved"):
        store.set_many({"jpeg_quality": 10})
    monkeypatch.undo()
    assert store.get("jpeg_quality") == 90 == OptionsStore(tmp_path / "config.json").get("jpeg_quality")


def test_values_given_out_cannot_be_changed_from_outside(store, tmp_path):
    store.get("quicksettings_list").append("x")
    store.get_all()["quicksettings_list"].append("x")
    store.view()["quicksettings_list"].append("x")
    mine = ["sd_vae"]
    store.set_many({"quicksettings_list": mine})["quicksettings_list"].append("x")
    mine.append("y")
    store.set_many({"jpeg_quality": 70})
    assert store.get("quicksettings_list") == ["sd_vae"] == json.loads((tmp_path / "config.json").read_text())["quicksettings_list"]


def test_two_threads_set_different_options(store, tmp_path):
    def work(name: str) -> None:
        for i in range(1, 30):
            store.set_many({name: i})

    threads = [threading.Thread(target=work, args=(name,)) for name in ("jpeg_quality", "notification_volume")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads((tmp_path / "config.json").read_text()) == {"jpeg_quality": 29, "notification_volume": 29}


# the file


@pytest.mark.parametrize("content", [b"{ this is no json", b"[1, 2]", b"\xff\xfe\x00", b""])
def test_a_damaged_file_is_set_aside(tmp_path, caplog, content):
    path = tmp_path / "config.json"
    (tmp_path / "config.damaged-1.json").write_text("an older one")
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        store = OptionsStore(path)
    assert store.get_all() == default_values()
    assert not path.exists() and (tmp_path / "config.damaged-2.json").read_bytes() == content
    assert (tmp_path / "config.damaged-1.json").read_text() == "an older one"
    assert "could not be read" in caplog.text


def test_a_file_that_a1111_wrote_is_used_as_far_as_it_goes_and_kept(tmp_path, caplog):
    path = tmp_path / "config.json"
    theirs = {
        "jpeg_quality": 70.0,
        "save_init_img": True,
        "randn_source": "NV",
        "CLIP_stop_at_last_layers": 99,
        "an_extension_option": {"a": 1},
        "samples_save": None,
    }
    path.write_text(json.dumps(theirs))
    store = OptionsStore(path)
    assert (store.get("jpeg_quality"), store.get("randn_source"), store.get("CLIP_stop_at_last_layers")) == (70, "NV", 1)
    assert store.get("samples_save") is True
    assert "save_init_img" in caplog.text and "CLIP_stop_at_last_layers" in caplog.text
    assert "randn_source" not in caplog.text and "an_extension_option" not in caplog.text
    store.set_many({"samples_format": "jpg"})
    assert json.loads(path.read_text()) == {**theirs, "samples_format": "jpg"}


def test_half_a_character_is_refused_because_no_answer_could_tell_it(store, tmp_path):
    for name, value in (("gallery_height", "\ud83d"), ("quicksettings_list", ["\ud83d"])):
        with pytest.raises(InvalidParams, match=f"Option {name} should be a text without halves of characters"):
            store.set_many({name: value})
    assert not (tmp_path / "config.json").exists()
    store.set_many({"gallery_height": "\U0001f34e"})
    assert OptionsStore(tmp_path / "config.json").get("gallery_height") == "\U0001f34e"


def test_half_a_character_in_the_file_is_passed_over(tmp_path, caplog):
    path = tmp_path / "config.json"
    path.write_text('{"gallery_height": "\\ud83d", "samples_format": "jpg"}')
    store = OptionsStore(path)
    assert (store.get("gallery_height"), store.get("samples_format")) == ("", "jpg")
    assert "gallery_height" in caplog.text


# one request


def test_overrides_act_on_one_request_only(store):
    view = store.override({"CLIP_stop_at_last_layers": "2", "samples_save": True, "sd_model_checkpoint": "other"})
    assert (view["CLIP_stop_at_last_layers"], view["sd_model_checkpoint"], view["jpeg_quality"]) == (2, "other", 80)
    assert view.overrides == {"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "other"}
    assert store.get_all() == default_values() == dict(store.view())
    assert len(view) == len(default_values()) and list(view) == list(option_table())
    store.set_many({"jpeg_quality": 10})
    assert view["jpeg_quality"] == 80, "a snapshot"


@pytest.mark.parametrize(
    ("bad", "error"), [({"save_init_img": True}, NotSupported), ({"nope": 1}, UnknownName), ({"jpeg_quality": "x"}, InvalidParams)]
)
def test_overrides_are_refused_as_settings_are(store, bad, error):
    with pytest.raises(error):
        store.override(bad)


def test_options_fill_in_what_a_request_leaves_open(store):
    store.set_many({"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "pocket"}, check_checkpoint=check)
    values = {"prompt": "a red house", "checkpoint": ""}
    filled = store.view().apply_to(values)
    assert values == {"prompt": "a red house", "checkpoint": ""}
    params = make_params(**filled)
    assert (params.clip_skip, params.checkpoint, params.prompt) == (2, "pocket.safetensors [485672b45d]", "a red house")
    filled = store.view().apply_to({"clip_skip": 1, "checkpoint": "x", "s_churn": 0, "rho": None})
    assert (filled["clip_skip"], filled["checkpoint"], filled["s_churn"], filled["rho"]) == (1, "x", 0, 0.0)
    assert store.override({"CLIP_stop_at_last_layers": 3}).apply_to({})["clip_skip"] == 3


def test_a_view_answers_in_types(store):
    view = store.view()
    assert view.switch("samples_save") is True and view.number("jpeg_quality") == 80 and view.text("samples_format") == "png"
    assert view.number("samples_format") == 0 and view.text("upscaler_for_img2img") == ""


def test_a_file_that_cannot_be_opened_is_told_and_stays(tmp_path):
    """Starting with the defaults would write over options that are only out of reach."""
    path = tmp_path / "config.json"
    path.mkdir()
    with pytest.raises(CannotSave, match=r"config\.json in the data folder cannot be used: Is a directory"):
        OptionsStore(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(CannotSave, match="pipe"):
        OptionsStore(path)
