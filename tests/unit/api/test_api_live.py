"""What needs a real server: streams, and many requests at once in one event loop."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Self

import httpx
import pytest

from app.models import EMBEDDED
from tests.unit.jobs.conftest import wait_for

from .conftest import SMALL, World, served

COOKIE = {"cookie": f"darkroom_client={'a' * 32}"}
JOB = {"prompt": "a red house", "seed": 1, "steps": 3, "width": 16, "height": 16, "sampler": "Euler"}


@pytest.fixture
def address(world: World) -> Iterator[str]:
    with served(world.app()) as address:
        yield address


class Events:
    """A reader of the stream in a thread."""

    def __init__(self, address: str, headers: dict[str, str], **params: int) -> None:
        self.found: list[tuple[str, str, dict]] = []
        self.comments = 0
        self.headers: httpx.Headers | None = None
        self._client = httpx.Client(timeout=20)
        self._thread = threading.Thread(target=self._run, args=(address, headers, params))
        self._thread.start()
        wait_for(lambda: self.comments)

    def _run(self, address: str, headers: dict[str, str], params: dict[str, int]) -> None:
        fields: dict[str, str] = {}
        try:
            with self._client.stream("GET", f"{address}/api/v1/events", headers=headers, params=params) as response:
                self.headers = response.headers
                for line in response.iter_lines():
                    if line.startswith(":"):
                        self.comments += 1
                    elif line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    elif "event" in fields:
                        self.found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
                        fields = {}
        except httpx.HTTPError:
            pass  # the test has read enough and closed it

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.found]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()


def test_events_of_a_job(address: str) -> None:
    with Events(address, COOKIE) as events, Events(address, {}) as stranger:
        job = httpx.post(f"{address}/api/v1/jobs", json=JOB, headers=COOKIE).json()["id"]
        wait_for(lambda: "ended" in events.kinds())
    assert events.kinds()[0] == "job" and "picture" in events.kinds()
    assert {data["job"] for _, _, data in events.found} == {job}
    numbers = [int(number) for _, number, _ in events.found]
    assert numbers == sorted(numbers)
    assert events.headers is not None and events.headers["content-type"].startswith("text/event-stream")
    assert stranger.found == []

    with Events(address, {**COOKIE, "last-event-id": str(numbers[0])}) as again:
        wait_for(lambda: "ended" in again.kinds())
        assert numbers[0] not in [int(number) for _, number, _ in again.found]


def test_a_place_before_the_stream_is_told(address: str) -> None:
    with Events(address, {**COOKIE, "last-event-id": "1"}) as reader:
        wait_for(lambda: "missed" in reader.kinds())


def test_other_requests_are_answered_while_many_wait(world: World, address: str) -> None:
    """Waiting requests hold neither the event loop nor the threads that other routes need."""
    world.engine.free = False
    answers: list[int] = []
    post = lambda: answers.append(httpx.post(f"{address}/sdapi/v1/txt2img", json=SMALL, timeout=60).status_code)  # noqa: E731
    waiting = [threading.Thread(target=post) for _ in range(60)]
    for thread in waiting:
        thread.start()
    wait_for(lambda: len(world.jobs.list(limit=100)) == 60, 30)
    started = time.monotonic()
    assert httpx.get(f"{address}/internal/ping").json() == {}
    assert httpx.get(f"{address}/sdapi/v1/samplers").status_code == 200
    assert httpx.get(f"{address}/sdapi/v1/progress").json()["state"]["job_count"] == 1
    assert httpx.get(f"{address}/internal/pending-tasks").json()["size"] == 59
    assert time.monotonic() - started < 5, "60 waiting requests kept others out"
    world.engine.free = True
    world.engine.allow(0)
    for thread in waiting:
        thread.join(60)
    assert answers == [200] * 60


def test_blanks_come_before_a_late_answer(world: World) -> None:
    world.patience_s = 0.1
    world.engine.free = False
    with served(world.app()) as address, httpx.stream("POST", f"{address}/sdapi/v1/txt2img", json=SMALL, timeout=20) as response:
        parts = response.iter_text()
        assert response.status_code == 200 and response.headers["x-job-id"]
        assert next(parts).strip() == "" and next(parts).strip() == ""
        world.engine.allow(3)
        assert len(json.loads("".join(parts))["images"]) == 1


def test_a_job_goes_on_when_its_asker_has_gone(world: World) -> None:
    world.patience_s = 0.05
    world.engine.free = False
    with served(world.app()) as address:
        with httpx.stream("POST", f"{address}/sdapi/v1/txt2img", json=SMALL, timeout=20) as response:
            next(response.iter_text())
        world.engine.allow(3)
        assert world.jobs.wait(response.headers["x-job-id"], 10).state == "done"
        assert httpx.get(f"{address}/internal/ping").status_code == 200


def test_the_client_webuiapi_works(build) -> None:
    """PyPI's client of A1111, with its own defaults and a password."""
    webuiapi = pytest.importorskip("webuiapi")
    world = build(api_auth="me:pw")
    with served(world.app()) as address:
        host, port = address.removeprefix("http://").split(":")
        api = webuiapi.WebUIApi(host=host, port=int(port), username="me", password="pw", sampler="Euler a", steps=3)
        made = api.txt2img(prompt="a red house", negative_prompt="fog", seed=7, width=64, height=64, batch_size=2, cfg_scale=5)
        assert [image.size for image in made.images] == [(64, 64)] * 2 and made.info["all_seeds"] == [7, 8]
        assert made.parameters["prompt"] == "a red house"
        again = api.img2img(images=[made.image], prompt="a blue house", seed=9, width=64, height=64, denoising_strength=0.4)
        assert again.image.getpixel((0, 0)) == made.image.getpixel((0, 0)) and again.info["denoising_strength"] == 0.4
        assert api.png_info(made.image).parameters["Prompt"] == "a red house"
        assert api.extra_single_image(made.image, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5).image.size == (96, 96)
        enlarged = api.extra_batch_images(made.images, upscaler_1="Nearest", upscaling_resize=2)
        assert [image.size for image in enlarged.images] == [(128, 128)] * 2
        assert api.util_get_model_names() == [f"{EMBEDDED}.safetensors"]
        assert api.util_get_current_model() == f"{EMBEDDED}.safetensors"
        api.util_set_model(EMBEDDED)
        assert {"Euler", "Euler a", "DDIM", "DPM++ 2M"} <= set(api.util_get_sampler_names())
        assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
        assert api.interrupt() == {} and api.skip() is None and api.refresh_checkpoints() is None
        api.set_options({"CLIP_stop_at_last_layers": 2})
        assert api.get_options()["CLIP_stop_at_last_layers"] == 2
        for ask in (api.get_upscalers, api.get_loras, api.get_sd_vae, api.get_hypernetworks, api.get_face_restorers, api.get_memory):
            assert isinstance(ask(), list | dict)
        for ask in (api.get_realesrgan_models, api.get_prompt_styles, api.get_embeddings, api.get_scripts, api.get_latent_upscale_modes):
            assert isinstance(ask(), list | dict)
        assert api.get_progress()["progress"] == 0 and api.get_cmd_flags()["api"] is True
        api.util_wait_for_ready(check_interval=0.1)
        with pytest.raises(RuntimeError, match="Did you mean"):
            api.txt2img(prompt="x", sampler_name="Euler z", width=64, height=64)
