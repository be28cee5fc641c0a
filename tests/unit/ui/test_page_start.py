"""What a press of Generate on img2img, and of Upscale, makes of the page's fields."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.api import client_of, user_of
from app.jobs import Jobs, OptionsStore
from app.models import Catalog
from app.prompt import Styles
from app.schema.params import GenerationParams, view_of
from app.schema.settings import ServerSettings
from app.server import resolver
from app.ui import PageParts
from app.ui.parts.batch import submit_batch
from app.ui.parts.submit import Asked, page_params, submit
from app.ui.parts.upscale import HIRES, upscale_values
from tests.support.paths import ROOT
from tests.unit.jobs.conftest import FlatEngine

FIELDS: dict[str, Any] = {"prompt": "a house", "negative_prompt": "", "width": 64, "height": 64, "seed": "12", "steps": 3}
PICTURE = "a" * 64
MASK = "b" * 64
INFOTEXT = (
    "a green leaf\nNegative prompt: fog\n"
    "Steps: 7, Sampler: Euler, Schedule type: Automatic, CFG scale: 4.5, Seed: 18446744073709551615, "
    "Size: 128x96, Denoising strength: 0.3, Hires upscale: 1.5, Version: x"
)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[PageParts]:
    settings = ServerSettings(data_dir=tmp_path, embedded_dir=ROOT / "models" / "Stable-diffusion")
    catalog, options = Catalog(settings), OptionsStore(tmp_path / "config.json")
    jobs = Jobs(settings, FlatEngine(), options, resolve=resolver(catalog, options))
    styles = Styles(tmp_path / "styles.csv")
    yield PageParts(
        settings=settings, jobs=jobs, options=options, catalog=catalog, styles=styles, client_of=client_of, user_of=user_of, version="0"
    )
    jobs.close()


def params_of(parts: PageParts, values: dict[str, Any], **start: Any) -> GenerationParams:
    asked = Asked(mode="img2img", values={**FIELDS, **values}, images=(PICTURE,), **start)
    return page_params(parts, asked, parts.options.view())


def test_one_mask_blur_is_that_of_both_directions(parts: PageParts) -> None:
    params = params_of(parts, {"mask_blur_x": 9.0}, mask=MASK)
    assert (params.mask, params.mask_blur_x, params.mask_blur_y) == (MASK, 9, 9)


def test_a_factor_counts_where_its_tab_is_chosen(parts: PageParts) -> None:
    assert params_of(parts, {"scale_by": 1.5}).scale_by == 0
    assert params_of(parts, {"scale_by": 1.5}, scaled=True).scale_by == 1.5


def test_upscaling_takes_the_pictures_settings_and_the_pages_hires_fix(parts: PageParts) -> None:
    page = {**FIELDS, "hr_scale": 3.0, "hr_upscaler": "Lanczos", "denoising_strength": 0.55, "n_iter": 4, "batch_size": 2, "exact": True}
    told = {"infotext": INFOTEXT, "width": 192, "height": 144}
    values = upscale_values(told, page, parts.catalog)
    params = page_params(parts, Asked(mode="txt2img", values=values, images=(PICTURE,)), parts.options.view())
    assert (params.prompt, params.negative_prompt, params.steps, params.seed) == ("a green leaf", "fog", 7, 2**64 - 1)
    assert (params.width, params.height) == (192, 144), "of the picture that is there, not of its first pass"
    assert (params.hr_scale, params.hr_upscaler, params.denoising_strength) == (3.0, "Lanczos", 0.55)
    assert (params.enable_hr, params.pictures, params.exact, params.init_images) == (True, 1, True, (PICTURE,))


def test_upscaling_a_picture_that_tells_nothing_takes_the_fields(parts: PageParts) -> None:
    values = upscale_values({"infotext": "", "width": 64, "height": 64}, {**FIELDS, "hr_scale": 2.0}, parts.catalog)
    assert values["seed"] == "12" and values["enable_hr"] is True


def stored(parts: PageParts, color: str, size: tuple[int, int] = (64, 64)) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return parts.jobs.inputs.add(buffer.getvalue())


def test_a_batch_is_a_job_for_each_picture(parts: PageParts) -> None:
    ids = [stored(parts, color) for color in ("red", "blue")]
    batch = [{"id": ids[0], "infotext": INFOTEXT}, {"id": ids[1], "infotext": ""}]
    asked = Asked(mode="img2img", values=FIELDS)
    answer = submit_batch(parts, asked, {"batch": batch, "take": ["prompt", "seed", "sampler", "nonsense"]}, client="me")
    assert answer.error is None and answer.notes == ("2 pictures are in the queue.",)
    jobs = sorted(parts.jobs.list("me"), key=lambda job: job.created)
    assert answer.job == jobs[0].id
    one, other = (job.params for job in jobs)
    assert (one.init_images, other.init_images) == ((ids[0],), (ids[1],))
    assert (one.prompt, one.seed, one.sampler, one.steps) == ("a green leaf a house", 2**64 - 1, "Euler", 3)
    assert (other.prompt, other.seed, other.sampler) == ("a house", 12, GenerationParams().sampler)


@pytest.mark.parametrize("batch", [[], ["x"], [{"id": ""}], [{"id": "x"}], [{"id": PICTURE}], [{"id": PICTURE}] * 1001])
def test_a_batch_that_cannot_be_made_starts_nothing(parts: PageParts, batch: list[object]) -> None:
    answer = submit_batch(parts, Asked(mode="img2img", values=FIELDS), {"batch": batch}, client="me")
    assert answer.error and answer.job is None
    assert parts.jobs.list("me") == []


@pytest.mark.parametrize("second", ["is not stored", "is far too large for the factor"])
def test_a_batch_whose_second_picture_cannot_be_drawn_starts_nothing(parts: PageParts, second: str) -> None:
    names = [stored(parts, "red"), PICTURE if second == "is not stored" else stored(parts, "blue", (4096, 4096))]
    asked = Asked(mode="img2img", values={**FIELDS, "scale_by": 4.0}, scaled=True)
    answer = submit_batch(parts, asked, {"batch": [{"id": name} for name in names]}, client="me")
    assert answer.error and answer.job is None
    assert parts.jobs.list("me") == []


def test_on_a_public_server_pictures_of_others_start_nothing(parts: PageParts) -> None:
    public = replace(parts, settings=parts.settings.model_copy(update={"listen": True}))
    name = stored(parts, "red")
    parts.jobs.note_input(name, client="me")
    asked = Asked(mode="img2img", values=FIELDS, images=(name,))
    batch = {"batch": [{"id": name}]}
    for answer in (submit(public, asked, client="you"), submit_batch(public, asked, batch, client="you")):
        assert answer.job is None and answer.error is not None and "not stored here" in answer.error
    assert parts.jobs.list() == []
    for answer in (submit(public, asked, client="me"), submit_batch(public, asked, batch, client="me"), submit(parts, asked, client="you")):
        assert answer.job is not None


def test_a_disk_that_fills_up_in_a_batch_is_told_with_what_is_queued(parts: PageParts) -> None:
    connection = parts.jobs._database._connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 40}")
    asked = Asked(mode="img2img", values={**FIELDS, "prompt": "x" * 50_000})
    answer = submit_batch(parts, asked, {"batch": [{"id": stored(parts, "red")}] * 9}, client="me")
    queued = parts.jobs.list("me")
    assert 0 < len(queued) < 9 and answer.job == queued[-1].id and answer.notes == ()
    assert answer.error is not None and answer.error.startswith("The disk is full")
    assert answer.error.endswith(f" {len(queued)} of the 9 pictures are in the queue; the others are not.")


def test_hires_fields_are_those_of_the_schema() -> None:
    assert {name for name in HIRES if view_of(name).section != "hires"} == {"denoising_strength"}
    assert "hr_prompt" in HIRES
