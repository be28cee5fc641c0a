"""txt2img and img2img from request to answer."""

import asyncio
import base64
import io
import json
import threading
import time

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.engine.client import Stop
from app.models import EMBEDDED
from app.schema.errors import EngineStopped
from tests.unit.jobs.conftest import wait_for

from .conftest import SMALL, World, picture, pixels

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"


def info_of(response) -> dict:
    assert response.status_code == 200, response.text
    return json.loads(response.json()["info"])


def test_pictures_carry_their_infotext(client: TestClient) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "negative_prompt": "fog", "batch_size": 2, "n_iter": 2})
    info = info_of(response)
    assert info["all_seeds"] == [1, 2, 3, 4] and info["all_prompts"] == ["a red house"] * 4
    for number, image in enumerate(response.json()["images"]):
        assert (pixels(image) == number + 1).all()
        assert Image.open(io.BytesIO(base64.b64decode(image))).info["parameters"] == info["infotexts"][number]
        assert f"Seed: {number + 1}, Size: 64x64" in info["infotexts"][number]


def test_a_random_seed_is_told(client: TestClient) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "seed": -1})
    assert response.json()["parameters"]["seed"] == -1
    assert 0 <= info_of(response)["seed"] < 2**32
    assert 0 <= info_of(client.post(TXT2IMG, json={**SMALL, "seed": None}))["seed"] < 2**32
    assert info_of(client.post(TXT2IMG, json={**SMALL, "seed": 2**53}))["all_seeds"] == [2**53]


def test_the_hires_fix_under_a1111s_names(world: World, client: TestClient) -> None:
    asked = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent (nearest)", "hr_second_pass_steps": 4, "denoising_strength": 0.3}
    asked |= {"hr_sampler_name": "k_euler_a", "hr_scheduler": "karras", "hr_prompt": "b # c", "hr_negative_prompt": "d", "hr_cfg": 2}
    asked |= {"hr_checkpoint_name": EMBEDDED, "tiling": True, "refiner_checkpoint": EMBEDDED, "refiner_switch_at": 0.4}
    said = info_of(client.post(TXT2IMG, json={**SMALL, **asked}))["infotexts"][0]
    params = world.engine.jobs[-1].params
    assert (params.hr_scale, params.hr_upscaler, params.hr_second_pass_steps, params.strength) == (1.5, "Latent (nearest)", 4, 0.3)
    assert (params.hr_sampler, params.hr_scheduler, params.hr_prompt, params.hr_cfg) == ("Euler a", "Karras", "b ", 2)
    assert params.hr_checkpoint == params.refiner_checkpoint == f"{EMBEDDED}.safetensors" and params.refiner_switch_at == 0.4
    assert params.hires_size.picture == (96, 96) and params.tiling
    assert "Tiling: True, Hires sampler: Euler a, Hires CFG Scale: 2.0, Hires prompt: b" in said
    assert "Hires upscaler: Latent (nearest)" in said


@pytest.mark.parametrize(
    ("fields", "first", "finished"),
    [
        ({"firstphase_width": 64, "firstphase_height": 64, "width": 128, "height": 96}, (64, 64), (128, 96)),
        ({"override_settings": {"use_old_hires_fix_width_height": True}, "width": 640, "height": 640}, (512, 512), (640, 640)),
        ({"hr_resize_x": 128, "hr_resize_y": 0}, (64, 64), (128, 128)),
        ({"hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler", "hr_scale": None}, (64, 64), (128, 128)),
    ],
    ids=str,
)
def test_sizes_of_the_hires_fix(world: World, client: TestClient, fields: dict, first: tuple, finished: tuple) -> None:
    info = info_of(client.post(TXT2IMG, json={**SMALL, "enable_hr": True, **fields}))
    params = world.engine.jobs[-1].params
    assert (params.width, params.height) == (info["width"], info["height"]) == first and params.hires_size.picture == finished
    assert (params.hr_sampler, params.hr_checkpoint, params.hr_prompt, params.strength) == ("", "", "", 0.75)


def test_a_picture_that_is_there_is_enlarged(world: World, client: TestClient) -> None:
    info_of(client.post(TXT2IMG, json={**SMALL, "enable_hr": True, "firstpass_image": picture(size=(64, 64))}))
    job = world.engine.jobs[-1]
    assert job.params.mode == "txt2img" and len(job.images) == 1 and job.images[0]().shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("fields", "sampler", "scheduler"),
    [
        ({"sampler_name": "k_euler_a"}, "Euler a", "Automatic"),
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "Simple"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "Euler", "scheduler": "sgm_uniform"}, "Euler", "SGM Uniform"),
        ({"sampler_name": "Euler SGM Uniform"}, "Euler", "SGM Uniform"),
        ({"sampler_name": None, "sampler_index": "DDIM"}, "DDIM", "Automatic"),
        ({"sampler_name": ""}, "Euler", "Automatic"),
        ({"scheduler": ""}, "Euler", "Automatic"),
    ],
    ids=str,
)
def test_names_of_samplers(world: World, client: TestClient, fields: dict, sampler: str, scheduler: str) -> None:
    info_of(client.post(TXT2IMG, json={**SMALL, **fields}))
    assert (world.engine.jobs[-1].params.sampler, world.engine.jobs[-1].params.scheduler) == (sampler, scheduler)


def test_pictures_are_saved_only_on_request(world: World, client: TestClient) -> None:
    info_of(client.post(TXT2IMG, json=SMALL))
    assert list(world.settings.outputs.rglob("*.png")) == []
    response = client.post(TXT2IMG, json={**SMALL, "save_images": True, "send_images": False})
    assert response.json()["images"] == [] and info_of(response)["index_of_first_image"] == 0
    assert [path.name for path in world.settings.outputs.rglob("*.png")] == ["00000-1.png"]


def test_a_job_has_a_name(world: World, client: TestClient) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "force_task_id": "task(mine)"})
    job = world.jobs.get(response.headers["x-job-id"])
    assert (job.task_id, job.client, job.state) == ("task(mine)", "api", "done")
    assert client.post("/internal/progress", json={"id_task": "task(mine)"}).json()["completed"] is True


def test_overrides_act_on_one_request_only(world: World, client: TestClient) -> None:
    before = client.get("/sdapi/v1/options").json()
    for restore in (True, False):
        fields = {"override_settings": {"CLIP_stop_at_last_layers": 2}, "override_settings_restore_afterwards": restore}
        assert info_of(client.post(TXT2IMG, json={**SMALL, **fields}))["clip_skip"] == 2
        assert info_of(client.post(TXT2IMG, json=SMALL))["clip_skip"] == 1
        assert client.get("/sdapi/v1/options").json() == before
    refused = {"override_settings": {"CLIP_stop_at_last_layers": 2, "no_such_option": 1}}
    assert client.post(TXT2IMG, json={**SMALL, **refused}).status_code == 404
    assert client.get("/sdapi/v1/options").json() == before and world.options.get("CLIP_stop_at_last_layers") == 1


def test_options_act_on_requests_that_say_nothing_else(client: TestClient) -> None:
    assert client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2}).json() is None
    assert info_of(client.post(TXT2IMG, json=SMALL))["clip_skip"] == 2
    fields = {"override_settings": {"CLIP_stop_at_last_layers": 1}}
    assert info_of(client.post(TXT2IMG, json={**SMALL, **fields}))["clip_skip"] == 1


INFOTEXT = (
    "a blue house\nNegative prompt: people\nSteps: 7, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 42, Size: 64x96"
)


def test_an_infotext_fills_what_the_request_leaves_open(world: World, client: TestClient) -> None:
    info = info_of(client.post(TXT2IMG, json={"infotext": f"{INFOTEXT}, Clip skip: 2", "seed": 9, "steps": 3}))
    assert (info["seed"], info["steps"], info["cfg_scale"], info["width"], info["height"], info["clip_skip"]) == (9, 3, 6.5, 64, 96, 2)
    assert (info["prompt"], info["negative_prompt"], info["sampler_name"]) == ("a blue house", "people", "DPM++ 2M")
    assert info["extra_generation_params"]["Schedule type"] == "Karras"
    assert world.options.get("CLIP_stop_at_last_layers") == 1


def test_an_infotext_of_img2img_says_neither_size_nor_strength(client: TestClient) -> None:
    request = {"init_images": [picture()], "infotext": f"{INFOTEXT}, Denoising strength: 0.3"}
    info = info_of(client.post(IMG2IMG, json={**request, "width": 72}))
    assert (info["width"], info["height"], info["denoising_strength"], info["steps"]) == (72, 512, 0.75, 7)


def test_overrides_win_over_an_infotext(client: TestClient) -> None:
    request = {"infotext": f"{INFOTEXT}, Clip skip: 2", "override_settings": {"CLIP_stop_at_last_layers": 3}}
    assert info_of(client.post(TXT2IMG, json=request))["clip_skip"] == 3


def test_a_broken_infotext_is_told(client: TestClient) -> None:
    response = client.post(TXT2IMG, json={"infotext": "a\nSteps: many, Sampler: Euler, Seed: 1"})
    assert response.status_code == 422 and response.json()["errors"] == "infotext: Steps: value is not a valid integer."


def test_img2img_starts_from_the_picture(world: World, client: TestClient) -> None:
    response = client.post(IMG2IMG, json={**SMALL, "init_images": [f"data:image/png;base64,{picture(color='#050505')}"]})
    info = info_of(response)
    assert (pixels(response.json()["images"][0]) == 5).all()
    assert (info["denoising_strength"], info["extra_generation_params"]["Denoising strength"]) == (0.75, 0.75)
    assert response.json()["parameters"]["init_images"] is None
    given = [picture()]
    echoed = client.post(IMG2IMG, json={**SMALL, "init_images": given, "include_init_images": True, "resize_mode": 9})
    assert echoed.json()["parameters"]["init_images"] == given
    assert world.engine.jobs[-1].params.resize_mode == 0


def test_several_pictures_make_one_each(client: TestClient) -> None:
    given = [picture(color="#050505"), picture(color="#060606")]
    response = client.post(IMG2IMG, json={**SMALL, "init_images": given, "batch_size": 3, "n_iter": 2})
    assert len(response.json()["images"]) == 4 and info_of(response)["all_seeds"] == [1, 2, 3, 4, 5, 6]
    assert response.json()["parameters"]["batch_size"] == 3


def test_comments_are_no_part_of_a_prompt(world: World, client: TestClient) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "prompt": "a cat # small\n# nothing\nin a box", "negative_prompt": "# all"})
    assert info_of(response)["all_prompts"] == ["a cat \nin a box"] and info_of(response)["negative_prompt"] == ""
    client.post("/api/v1/jobs", json={"prompt": "a dog # large"})
    wait_for(lambda: len(world.engine.jobs) == 2)
    assert world.engine.jobs[1].params.prompt == "a dog "


def test_transparency_becomes_the_background_of_the_options(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(buffer, "PNG")
    given = base64.b64encode(buffer.getvalue()).decode()
    fields = {"override_settings": {"img2img_background_color": "#070707"}}
    response = client.post(IMG2IMG, json={**SMALL, "init_images": [given], **fields})
    assert (pixels(response.json()["images"][0]) == 7).all()


def test_pictures_in_another_format(client: TestClient) -> None:
    for kind, name in (("jpg", "JPEG"), ("webp", "WEBP")):
        fields = {"override_settings": {"samples_format": kind}}
        response = client.post(TXT2IMG, json={**SMALL, **fields})
        data = response.json()["images"][0]
        assert Image.open(io.BytesIO(base64.b64decode(data))).format == name
        assert client.post("/sdapi/v1/png-info", json={"image": data}).json()["info"] == info_of(response)["infotexts"][0]


def test_the_model_is_told_even_where_the_pictures_keep_it_out(world: World, client: TestClient) -> None:
    fields = {"override_settings": {"add_model_name_to_info": False}}
    info = info_of(client.post(TXT2IMG, json={**SMALL, **fields}))
    assert "Model: " not in info["infotexts"][0] and (info["sd_model_name"], info["sd_model_hash"]) == (EMBEDDED, None)


def test_a_failed_job_answers_with_its_reason(client: TestClient) -> None:
    response = client.post(TXT2IMG, json={**SMALL, "prompt": "explode"})
    assert response.status_code == 500
    assert response.json() == {"error": "internal", "detail": "", "body": "", "errors": "It went wrong inside."}


class Request:
    """A request that runs while the test goes on."""

    def __init__(self, client: TestClient, path: str = TXT2IMG, **fields: object) -> None:
        self.response = None
        self._thread = threading.Thread(target=self._run, args=(client, path, {**SMALL, **fields}))
        self._thread.start()

    def _run(self, client: TestClient, path: str, body: dict) -> None:
        self.response = client.post(path, json=body)

    def result(self):
        self._thread.join(20)
        assert self.response is not None
        return self.response


def test_an_interrupted_request_answers_with_what_there_is(world: World, client: TestClient) -> None:
    world.engine.free = False
    running = Request(client, n_iter=3, steps=5)
    world.engine.allow(7)
    wait_for(lambda: (job := world.jobs.current()) and (job.batch, job.step) == (1, 2))
    assert client.post("/sdapi/v1/interrupt").json() == {}
    response = running.result()
    assert len(response.json()["images"]) == 2
    info = info_of(response)
    assert info["all_seeds"] == [1, 2, 3] and len(info["infotexts"]) == 2
    assert client.get("/sdapi/v1/progress").json()["state"]["interrupted"] is True


def test_a_skipped_batch_is_followed_by_the_next(world: World, client: TestClient) -> None:
    world.engine.free = False
    running = Request(client, n_iter=2, steps=5)
    world.engine.allow(2)
    wait_for(lambda: (job := world.jobs.current()) and job.step == 2)
    assert client.post("/sdapi/v1/skip").json() is None
    world.engine.allow(5)
    assert len(running.result().json()["images"]) == 2


def test_a_cancelled_job_answers(world: World, client: TestClient) -> None:
    world.engine.free = False
    running = Request(client)
    wait_for(lambda: world.jobs.current())
    world.jobs.stop(world.jobs.current().id, Stop.CANCEL)
    assert running.result().status_code == 409 and "cancelled" in running.result().json()["errors"]


def test_a_long_wait_is_filled_with_blanks(world: World) -> None:
    world.patience_s = 0.05
    client = world.client()
    world.engine.free = False
    running = Request(client)
    wait_for(lambda: world.jobs.current())
    time.sleep(0.3)
    world.engine.allow(3)
    response = running.result()
    assert response.status_code == 200 and response.text.startswith("  ") and response.headers["x-job-id"]
    assert len(response.json()["images"]) == 1 and response.headers["content-type"] == "application/json"


def test_an_error_after_the_blanks_is_told_in_the_body(world: World) -> None:
    world.patience_s = 0.05
    client = world.client()
    world.engine.free = False
    running = Request(client, prompt="explode")
    wait_for(lambda: world.jobs.current())
    time.sleep(0.2)
    world.engine.allow(3)
    response = running.result()
    assert response.text.startswith(" ") and response.json()["errors"] == "It went wrong inside."


def test_variations_keep_the_seed_and_count_their_own(client: TestClient) -> None:
    info = info_of(client.post(TXT2IMG, json={**SMALL, "batch_size": 2, "subseed": 5, "subseed_strength": 0.5}))
    assert (info["all_seeds"], info["all_subseeds"], info["subseed_strength"]) == ([1, 1], [5, 6], 0.5)
    assert "Variation seed: 6, Variation seed strength: 0.5" in info["infotexts"][1]
    info = info_of(client.post(TXT2IMG, json={**SMALL, "batch_size": 2, "subseed": 5}))
    assert (info["all_seeds"], info["all_subseeds"]) == ([1, 2], [5, 6]) and "Variation" not in info["infotexts"][1]
    assert 0 <= info_of(client.post(TXT2IMG, json={**SMALL, "subseed": None, "subseed_strength": 0.1}))["subseed"] < 2**32


def test_an_option_beats_the_requests_churn_and_only_that_is_told(world: World, client: TestClient) -> None:
    asked = {**SMALL, "s_churn": 3, "s_noise": 1.05, "s_tmax": 0, "override_settings": {"s_churn": 2.0, "s_tmin": 0.1}}
    info = info_of(client.post(TXT2IMG, json=asked))
    params = world.engine.jobs[-1].params
    assert (params.s_churn, params.s_tmin, params.s_tmax, params.s_noise, params.quiet) == (2.0, 0.1, 0.0, 1.05, ("s_noise",))
    assert "Sigma churn: 2.0, Sigma tmin: 0.1, " in info["infotexts"][0] and "Sigma noise" not in info["infotexts"][0]


def test_a_request_beats_the_other_options(world: World, client: TestClient) -> None:
    options = {"s_min_uncond": 4.0, "eta_ancestral": 0.4, "randn_source": "NV"}
    client.post(TXT2IMG, json={**SMALL, "s_min_uncond": 1, "eta": 0.3, "override_settings": options})
    client.post(TXT2IMG, json={**SMALL, "override_settings": options})
    first, second = (job.params for job in world.engine.jobs[-2:])
    assert (first.s_min_uncond, first.eta, first.randn_source) == (1.0, 0.3, "NV")
    assert (second.s_min_uncond, second.eta, second.eta_ancestral) == (4.0, None, 0.4)


def test_comments_stay_where_the_options_keep_them(world: World, client: TestClient) -> None:
    kept = {"override_settings": {"enable_prompt_comments": False}}
    assert info_of(client.post(TXT2IMG, json={**SMALL, "prompt": "a # b", **kept}))["prompt"] == "a # b"
    assert client.post("/api/v1/tokens", json={"text": "# a b c"}).json()["count"] == 0
    assert client.post("/sdapi/v1/options", json={"enable_prompt_comments": False}).status_code == 200
    assert client.post("/api/v1/tokens", json={"text": "# a b c"}).json()["count"] == 4


def test_an_infotext_brings_its_rare_settings(world: World, client: TestClient) -> None:
    text = "a\nSteps: 3, Sampler: Euler a, Seed: 1, Size: 64x64, ENSD: 31337, RNG: NV, Sigma churn: 2, NGMS: 3, Seed resize from: 96x72"
    assert client.post(TXT2IMG, json={"infotext": text}).status_code == 200
    params = world.engine.jobs[-1].params
    assert (params.eta_noise_seed_delta, params.randn_source, params.s_churn, params.s_min_uncond) == (31337, "NV", 2.0, 3.0)
    assert (params.seed_resize_from_w, params.seed_resize_from_h, params.quiet) == (96, 72, ())


def test_a_server_that_is_stopped_tells_those_who_wait(world, client) -> None:
    """The books may be closed before the waiting request looks into them."""
    world.engine.free = False
    job = client.post("/api/v1/jobs", json={"prompt": "a", "steps": 3, "width": 16, "height": 16}).json()["id"]
    world.jobs.close()
    with pytest.raises(EngineStopped, match="The engine was stopped"):
        asyncio.run(world.jobs.wait_async(job))
