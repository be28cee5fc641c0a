"""The page's own logic, without a browser: start values, drafts, infotexts to fields, values to a job."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import orjson
import pytest
from PIL import Image

from app.api import client_of, user_of
from app.jobs import Jobs, OptionsStore
from app.metadata import encode_picture, params_chunk, save_png_bytes
from app.models import EMBEDDED, Catalog
from app.prompt import Styles
from app.schema.options import option_table
from app.schema.params import GenerationParams, make_params, view_of
from app.schema.settings import ServerSettings
from app.server import resolver
from app.ui import PageParts, build_page, page_options
from app.ui.parts.draft import read_draft
from app.ui.parts.fields import SPANS, control_update, limits_of
from app.ui.parts.fill import FOLDED, fill_from_infotext
from app.ui.parts.overrides import overrides_for, overrides_update, read_overrides
from app.ui.parts.picture_info import picture_info
from app.ui.parts.reproduce import reproduce
from app.ui.parts.scripts import ScriptControls, build_scripts
from app.ui.parts.start import start_values
from app.ui.parts.submit import Asked, submit
from tests.support.paths import ROOT
from tests.unit.jobs.conftest import FlatEngine

FIELDS = {
    "prompt": "a house",
    "negative_prompt": "",
    "sampler": "Euler",
    "scheduler": "Automatic",
    "steps": 3.0,
    "width": 64,
    "height": 64,
    "n_iter": 1,
    "batch_size": 1,
    "cfg_scale": 7,
    "seed": "12",
    "checkpoint": "",
    "clip_skip": 1,
}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[PageParts]:
    """The page's parts over a real catalogue and real jobs; the engine paints flat pictures."""
    settings = ServerSettings(data_dir=tmp_path, embedded_dir=ROOT / "models" / "Stable-diffusion")
    catalog, options = Catalog(settings), OptionsStore(tmp_path / "config.json")
    jobs = Jobs(settings, FlatEngine(), options, resolve=resolver(catalog, options))
    yield PageParts(
        settings=settings,
        jobs=jobs,
        options=options,
        catalog=catalog,
        styles=Styles(tmp_path / "styles.csv"),
        client_of=client_of,
        user_of=user_of,
        version="0",
    )
    jobs.close()


@pytest.fixture
def page(parts: PageParts) -> gr.Blocks:
    """The built page. Gradio makes locks while it builds, and leaves an event loop of its own open where none runs."""

    async def build() -> gr.Blocks:
        return build_page(parts)

    return asyncio.run(build())


def test_start_values_come_from_the_checkpoints_own_hint(parts: PageParts) -> None:
    facts = parts.catalog.find(EMBEDDED).facts
    assert facts is not None
    start = start_values(facts)
    assert (start.size_px, start.steps, start.cfg_scale) == (128, 20, 5.0)
    plain = start_values(replace(facts, usage_hint=None, native_size_px=768))
    assert (plain.size_px, plain.steps, plain.cfg_scale) == (768, GenerationParams().steps, GenerationParams().cfg_scale)


def test_every_field_with_a_place_on_the_page_has_a_control(page: gr.Blocks) -> None:
    ids = {block.elem_id for block in page.blocks.values()}
    # A1111 has eta among the settings, and shows that of a picture as an override.
    wanted = {name for name in GenerationParams.model_fields if view_of(name).section} - {"eta"}
    renamed = {"negative_prompt": "neg_prompt", "sampler": "sampling", "n_iter": "batch_count"}
    shared = {"checkpoint": "setting_sd_model_checkpoint", "clip_skip": "setting_CLIP_stop_at_last_layers"}
    for name in wanted:
        tab = "img2img" if view_of(name).section == "img2img" else "txt2img"
        assert shared.get(name, f"{tab}_{renamed.get(name, name)}") in ids, name


def test_every_live_option_is_among_the_settings(page: gr.Blocks) -> None:
    ids = {block.elem_id for block in page.blocks.values()}
    live = {option.name for option in option_table().values() if option.standing == "live"} - {"sd_model_checkpoint"}
    assert {name for name in live if f"option_{name}" not in ids} == set()


def test_the_page_can_be_sent(page: gr.Blocks) -> None:
    """Gradio writes the page with orjson, which refuses numbers of more than 64 bits."""
    assert orjson.dumps(page.get_config_file(), default=str)


def test_element_ids_are_given_once(page: gr.Blocks) -> None:
    ids = [block.elem_id for block in page.blocks.values() if block.elem_id]
    assert sorted(ids) == sorted(set(ids))


def test_no_event_waits_in_a_queue_or_is_public(page: gr.Blocks) -> None:
    for event in page.fns.values():
        assert event.queue is False
        assert event.api_visibility == "private"


def test_page_asks_no_other_server_for_fonts_or_scripts(parts: PageParts) -> None:
    options = page_options(parts)
    assert not options["theme"]._stylesheets and "http" not in options["head"]
    assert options["run_history"] is False and options["allowed_paths"] == []


def test_sliders_lie_within_the_schemas_limits() -> None:
    for name, span in SPANS.items():
        low, high = limits_of(name)
        assert (low is None or low <= span.low) and (high is None or span.high <= high), name


def test_a_value_beyond_a_sliders_reach_stretches_it() -> None:
    update = control_update("steps", 300)
    assert (update["value"], update["minimum"], update["maximum"]) == (300, 1, 300)
    assert control_update("seed", 2**64 - 1)["value"] == "18446744073709551615"
    assert "value" not in control_update("steps", None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"txt2img": 3, "shared": []}', '{"txt2img": {"steps": "many", "nonsense": 1}}', "[" * 5000]
)
def test_an_unreadable_draft_is_no_draft(text: str) -> None:
    draft = read_draft(text)
    assert not draft.fields["txt2img"] and not draft.checkpoint and draft.clip_skip is None


def test_a_draft_keeps_what_the_schema_accepts() -> None:
    told = {"txt2img": {"steps": 12, "width": -4, "prompt": "a hill", "seed": "7"}, "shared": {"checkpoint": "x", "clip_skip": 2}}
    draft = read_draft(json.dumps(told))
    assert draft.fields["txt2img"] == {"steps": 12, "prompt": "a hill", "seed": 7}
    assert (draft.checkpoint, draft.clip_skip) == ("x", 2)


def test_submit_gives_a_jobs_id_at_once(parts: PageParts) -> None:
    answer = submit(parts, Asked(mode="txt2img", values=FIELDS), client="me")
    assert answer.error is None and answer.job is not None
    params = parts.jobs.get(answer.job, client="me").params
    assert (params.prompt, params.steps, params.seed, params.checkpoint) == ("a house", 3, 12, f"{EMBEDDED}.safetensors")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": "apple"}, "Seed should be a whole number"),
        ({"steps": 0}, "steps: input should be greater than or equal to 1"),
        ({"width": 7}, "width: input should be greater"),
        ({"width": None}, "width: fill in a value"),
        ({"sampler": "Eulr"}, "There is no sampler 'Eulr'"),
        ({"subseed": "many"}, "Variation seed should be a whole number"),
        ({"enable_hr": True, "hr_upscaler": "Lonczos"}, "There is no upscaler 'Lonczos'"),
        ({"enable_hr": True, "hr_checkpoint": "gone"}, "There is no checkpoint 'gone'"),
        ({"refiner_checkpoint": "gone"}, "There is no checkpoint 'gone'"),
        ({"enable_hr": True, "hr_resize_x": 16384, "hr_resize_y": 16384}, "The hires fix would make 16384x16384"),
        ({"checkpoint": "gone.safetensors"}, "There is no checkpoint 'gone.safetensors'"),
    ],
)
def test_wrong_values_are_one_sentence(parts: PageParts, change: dict[str, Any], sentence: str) -> None:
    answer = submit(parts, Asked(mode="txt2img", values={**FIELDS, **change}), client="me")
    assert answer.job is None and answer.error is not None and sentence in answer.error


def test_checkpoint_is_found_by_hash_before_its_name(parts: PageParts) -> None:
    pocket = parts.catalog.find(EMBEDDED)
    digest = parts.catalog.hash(pocket)
    head = "a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"
    renamed = fill_from_infotext(f"{head}, Model hash: {digest[:10]}, Model: another-name", parts.catalog)
    assert renamed.checkpoint is not None and renamed.checkpoint.path == pocket.path and not renamed.warnings
    other = fill_from_infotext(f"{head}, Model hash: 0123456789, Model: {EMBEDDED}", parts.catalog)
    assert other.checkpoint is not None and "is another file" in " ".join(other.warnings)
    missing = fill_from_infotext(f"{head}, Model hash: 0123456789, Model: dreamer", parts.catalog)
    assert missing.checkpoint is None and "dreamer [0123456789], which is not here" in " ".join(missing.warnings)


def told(parts: PageParts, text: str) -> dict[str, Any]:
    """What PNG Info tells of a picture with this text."""
    data = b64encode(save_png_bytes(Image.new("RGB", (64, 48)), text)).decode()
    return picture_info({"data": data, "name": "a.png"}, parts.catalog, parts.settings)


HEAD = "a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x48"


def test_settings_are_told_one_by_one_with_what_is_not_used(parts: PageParts) -> None:
    rows = {row["label"]: row for row in told(parts, f"{HEAD}, ADetailer model: face.pt")["settings"]}
    assert [rows[label]["told"] for label in ("Prompt", "Sampling steps", "Width", "Height")] == ["a cat", "3", "64", "48"]
    assert (rows["ADetailer model"]["told"], rows["ADetailer model"]["used"], rows["ADetailer model"]["field"]) == (
        "face.pt",
        "not used",
        "",
    )


def test_weights_of_another_program_are_shown_as_they_are_and_used_in_a1111s_syntax(parts: PageParts) -> None:
    text = '{"positive_prompt": "a cat++", "seed": 1, "steps": 3, "cfg_scale": 7, "width": 64, "height": 64, "app_version": "3.1"}'
    said = told(parts, text)
    prompt = next(row for row in said["settings"] if row["field"] == "prompt")
    assert (prompt["told"], prompt["used"]) == ("a cat++", "a (cat:1.21)")
    assert fill_from_infotext(said["usable"], parts.catalog).values["prompt"] == "a (cat:1.21)"
    assert fill_from_infotext(text, parts.catalog).values["prompt"] == "a (cat:1.21)"
    assert any("in its own way" in reason for reason in said["verdict"]["reasons"])


def test_files_of_a_picture_are_here_or_missing_with_a_way_to_find_them(parts: PageParts) -> None:
    digest = parts.catalog.hash(parts.catalog.find(EMBEDDED))
    extras = (
        'VAE: odd.pt, VAE hash: 0011223344, Lora hashes: "pixel: dddc3a1c5d5c", TI hashes: "bad: e3b0c44298fc", Hires upscaler: 4x-Sharp'
    )
    said = told(parts, HEAD.replace("a cat", "a cat <lora:pixel:1>") + f", Model hash: {digest[:10]}, Model: other, {extras}")
    files = {(one["kind"], one["name"]): one for one in said["resources"]}
    assert files["Checkpoint", "other"]["state"] == "here" and files["Checkpoint", "other"]["links"] == []
    assert files["Embedding", "bad"] | {"links": 0} == {
        "kind": "Embedding",
        "name": "bad",
        "hash": "",
        "state": "missing",
        "found": "",
        "links": 0,
    }
    assert {files[key]["state"] for key in (("VAE", "odd.pt"), ("LoRA", "pixel"), ("Upscaler", "4x-Sharp"))} == {"missing"}
    assert "query=dddc3a1c5d5c" in files["LoRA", "pixel"]["links"][0][1] and "search=pixel" in files["LoRA", "pixel"]["links"][1][1]
    assert said["verdict"]["level"] == "partial" and "LoRA pixel is not here." in said["verdict"]["reasons"]


def test_a_refiner_and_a_hires_checkpoint_are_looked_for(parts: PageParts) -> None:
    digest = parts.catalog.hash(parts.catalog.find(EMBEDDED))
    hires = "Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, Hires checkpoint: " + f"any [{digest[:10]}]"
    said = told(parts, f"{HEAD}, Refiner: gone [0123456789], Refiner switch at: 0.8, {hires}")
    files = {one["kind"]: (one["name"], one["hash"], one["state"]) for one in said["resources"]}
    assert files == {"Refiner": ("gone", "0123456789", "missing"), "Hires checkpoint": ("any", digest[:10], "here")}
    assert "Refiner gone is not here." in said["verdict"]["reasons"]


def test_verdict_says_why(parts: PageParts) -> None:
    digest = parts.catalog.hash(parts.catalog.find(EMBEDDED))
    model = f", Model hash: {digest[:10]}, Model: {EMBEDDED}"
    exact = told(parts, f"{HEAD}{model}, Version: v1.10.1")["verdict"]
    assert exact == {"level": "exact", "reasons": []}
    assert told(parts, f"{HEAD}{model}")["verdict"]["level"] == "close"
    assert told(parts, f"{HEAD}{model}, App: SD.Next, Version: 56a8aea")["verdict"]["level"] == "close"
    nothing = told(parts, "a cat")["verdict"]
    assert nothing["level"] == "partial" and "does not tell its steps, sampler, CFG scale, seed, size, checkpoint" in nothing["reasons"][0]
    unknown = told(parts, f"{HEAD}{model}, Version: v1.10.1".replace("Euler", "Warp9"))["verdict"]
    assert unknown["level"] == "partial" and "Warp9" in " ".join(unknown["reasons"])


def test_fields_can_be_left_out_and_our_own_chunk_fills_what_the_text_cannot_say(parts: PageParts) -> None:
    filling = fill_from_infotext(HEAD, parts.catalog, leave=["seed", "steps"])
    assert filling.is_whole and not {"seed", "steps"} & filling.values.keys() and filling.values["cfg_scale"] == 7
    chunk = params_chunk(make_params(seed=1, steps=3, uni_pc_order=2), seed=1, index=0, model_name="", model_sha256="")
    assert fill_from_infotext(HEAD, parts.catalog, chunk=chunk).values["uni_pc_order"] == 2


def test_reproduce_makes_one_picture_alone(parts: PageParts) -> None:
    answer = reproduce(parts, {"text": HEAD}, client="me")
    assert answer.job is not None
    params = parts.jobs.get(answer.job, client="me").params
    assert (params.exact, params.batch_size, params.seed, params.steps) == (True, 1, 1, 3)
    refused = reproduce(parts, {"text": "a cat"}, client="me")
    assert refused.job is None and "tells no settings" in str(refused.error)


def test_a_text_file_is_read_like_the_picture_it_stood_beside(parts: PageParts) -> None:
    asked = {"data": b64encode(HEAD.encode()).decode(), "name": "a.txt"}
    said = picture_info(asked, parts.catalog, parts.settings)
    assert said["infotext"] == HEAD and said["format"] == "Text" and said["whole"]
    assert (
        "no text in UTF-8" in picture_info({**asked, "data": b64encode(b"\xff\xfe\xff").decode()}, parts.catalog, parts.settings)["error"]
    )


def test_addresses_are_fetched_only_where_the_owner_allows_it(parts: PageParts) -> None:
    public = parts.settings.model_copy(update={"listen": True})
    assert parts.settings.fetches_urls and not public.fetches_urls
    assert "--fetch-urls" in picture_info({"url": "https://example.org/a.png"}, parts.catalog, public)["error"]
    assert "public internet only" in picture_info({"url": "http://127.0.0.1/a.png"}, parts.catalog, parts.settings)["error"]


@pytest.mark.parametrize(("data", "sentence"), [("###", "arrived damaged"), ("", "empty"), ("RGVhciByZWFkZXI=", "no picture")])
def test_what_is_no_picture_is_one_sentence(parts: PageParts, data: str, sentence: str) -> None:
    assert sentence in picture_info({"data": data}, parts.catalog, parts.settings)["error"]


def test_settings_without_a_control_become_overrides_of_the_job(parts: PageParts) -> None:
    head = "a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"
    filling = fill_from_infotext(
        f"{head}, Variation seed: 5, Variation seed strength: 0.25, Seed resize from: 32x48, ENSD: 31337", parts.catalog
    )
    texts = overrides_for(filling.values, parts.options.view())
    assert [label for label, _ in overrides_update(texts)["choices"]] == ["ENSD: 31337"]
    held = {name: filling.values[name] for name in ("subseed_strength", "seed_resize_from_w", "seed_resize_from_h")}
    values = {**FIELDS, **held, "subseed": str(filling.values["subseed"])}
    answer = submit(parts, Asked(mode="txt2img", values=values, overrides=texts), client="me")
    assert answer.job is not None
    params = parts.jobs.get(answer.job, client="me").params
    assert (params.subseed, params.subseed_strength, params.seed_resize_from_w, params.eta_noise_seed_delta) == (5, 0.25, 32, 31337)


HIRES_HEAD = "a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Denoising strength: 0.4"


def test_a_picture_with_hires_fix_and_refiner_fills_their_fields(parts: PageParts) -> None:
    digest = parts.catalog.hash(parts.catalog.find(EMBEDDED))[:10]
    told = f"Tiling: True, Hires checkpoint: other name [{digest}], Hires sampler: DDIM, Hires upscale: 1.5, Hires upscaler: Lanczos"
    filling = fill_from_infotext(f"{HIRES_HEAD}, {told}, Refiner: nowhere [0123456789], Refiner switch at: 0.6", parts.catalog)
    held = {name: filling.values[name] for name in FOLDED}
    assert (held["enable_hr"], held["hr_upscaler"], held["hr_sampler"], held["tiling"]) == (True, "Lanczos", "DDIM", True)
    assert held["hr_checkpoint"] == f"{EMBEDDED}.safetensors" and held["hr_cfg"] == 0
    assert held["refiner_checkpoint"] == "" and held["refiner_switch_at"] == 0.6
    assert any("The refiner nowhere [0123456789] of the picture is not here" in warning for warning in filling.warnings)
    seeds = {name: str(held[name]) for name in ("subseed",)}
    answer = submit(parts, Asked(mode="txt2img", values={**FIELDS, **held, **seeds, "denoising_strength": 0.4}), client="me")
    assert answer.job is not None, answer.error
    params = parts.jobs.get(answer.job, client="me").params
    assert params.hires_size.picture == (96, 96) and params.hr_cfg is None and params.strength == 0.4


def test_a_picture_without_them_puts_their_fields_back(parts: PageParts) -> None:
    filling = fill_from_infotext("a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64", parts.catalog)
    assert (filling.values["enable_hr"], filling.values["tiling"], filling.values["refiner_checkpoint"]) == (False, False, "")
    assert not fill_from_infotext("a cat", parts.catalog).values.keys() & set(FOLDED)


def test_options_act_on_the_pages_jobs_and_a_picture_made_without_them_overrides_them(parts: PageParts) -> None:
    parts.options.set_many({"eta_noise_seed_delta": 7})
    plain = submit(parts, Asked(mode="txt2img", values=FIELDS), client="me")
    assert plain.job is not None and parts.jobs.get(plain.job, client="me").params.eta_noise_seed_delta == 7
    filling = fill_from_infotext("a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64", parts.catalog)
    texts = overrides_for(filling.values, parts.options.view())
    again = submit(parts, Asked(mode="txt2img", values=FIELDS, overrides=texts), client="me")
    assert again.job is not None and parts.jobs.get(again.job, client="me").params.eta_noise_seed_delta == 0


@pytest.mark.parametrize("text", ["", "[1]", '{"prompt": "taken"}', '{"init_images": ["x"]}', '{"subseed": "many"}', "{" * 5000])
def test_what_is_no_override_is_left_out(text: str) -> None:
    assert read_overrides([text]) == {}
    assert overrides_update([text])["visible"] is False


def test_comments_are_taken_out_unless_the_options_keep_them(parts: PageParts) -> None:
    asked = Asked(mode="txt2img", values={**FIELDS, "prompt": "# a note\na house # another"})
    answer = submit(parts, asked, client="somebody")
    assert answer.job is not None and parts.jobs.get(answer.job).params.prompt == "a house "
    parts.options.set_many({"enable_prompt_comments": False})
    answer = submit(parts, asked, client="somebody")
    assert answer.job is not None and parts.jobs.get(answer.job).params.prompt == "# a note\na house # another"


PLOT = f'{HEAD}, Script: X/Y/Z plot, X Type: Seed, X Values: "5,-1", Fixed X Values: "5, 77", Y Type: Steps, Y Values: 2-4, Wall: blue'


def test_a_grid_fills_its_script_and_what_it_does_not_tell_of_the_axes_is_nothing(parts: PageParts) -> None:
    scripts = parts.jobs.scripts.of("txt2img")
    filling = fill_from_infotext(PLOT, parts.catalog, scripts=scripts)
    assert filling.script is not None and filling.script.script.title == "X/Y/Z plot"
    axes = {"X_type": "Seed", "X_values": "5,-1", "Y_type": "Steps", "Y_values": "2-4", "Z_type": "Nothing", "Z_values": ""}
    assert filling.script.values == axes
    assert filling.notes == ("Not used here: Wall.",) and not filling.script.warnings
    assert fill_from_infotext(PLOT, parts.catalog).notes[0].startswith("Not used here: Script, X Type, ")
    other = fill_from_infotext(f"{HEAD}, Script: Dice, X Type: Seed", parts.catalog, scripts=scripts)
    assert other.script is None and other.notes == ("Not used here: Script, X Type.",)


def test_an_axis_that_nobody_has_is_told_in_a_sentence(parts: PageParts) -> None:
    told = f"{HEAD}, Script: X/Y/Z plot, X Type: Moon phase, X Values: 1"
    filling = fill_from_infotext(told, parts.catalog, scripts=parts.jobs.scripts.of("txt2img"))
    assert filling.script is not None and "X_type" not in filling.script.values
    assert any("'X type' should be one of" in warning and "Moon phase" in warning for warning in filling.warnings)


def test_png_info_shows_a_grids_script_as_used(parts: PageParts) -> None:
    data = b64encode(encode_picture(Image.new("RGB", (64, 48)), PLOT)).decode()
    said = picture_info({"data": data, "name": "a.png"}, parts.catalog, parts.settings, parts.jobs.scripts.of("txt2img"))
    rows = {row["label"]: row["used"] for row in said["settings"]}
    assert (rows["Script"], rows["X Values"], rows["Wall"]) == ("X/Y/Z plot", "5,-1", "not used")
    assert any(reason.startswith("It is a grid (X/Y/Z plot)") for reason in said["verdict"]["reasons"])


def test_a_draft_keeps_the_script_and_what_its_controls_can_hold(parts: PageParts) -> None:
    async def build() -> ScriptControls:
        with gr.Blocks():
            return build_scripts("txt2img", parts.jobs.scripts)

    controls = asyncio.run(build())
    kept = {"script": "X/Y/Z plot", "script/x/y/z plot/X_values": "1, 2", "script/x/y/z plot/margin_px": 9000, "script/loopback/loops": 2}
    draft = read_draft(json.dumps({"txt2img": {**kept, "steps": 7}, "img2img": {"script": 5}}))
    assert draft.scripts == {"txt2img": kept, "img2img": {"script": 5}} and draft.fields["txt2img"] == {"steps": 7}
    updates = dict(zip(controls.names, controls.updates(draft.scripts["txt2img"]), strict=True))
    changed = {name: update["value"] for name, update in updates.items() if "value" in update}
    assert changed == {"script": "X/Y/Z plot", "script/x/y/z plot/X_values": "1, 2"}
    assert not [update for update in controls.updates(draft.scripts["img2img"]) if "value" in update]
    assert len(controls.names) == len(controls.inputs) == len({*controls.names})
