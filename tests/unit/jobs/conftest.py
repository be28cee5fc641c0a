"""A small engine behind the same door as the real one: a thread that makes flat pictures, one denoiser call a permit."""

import io
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.engine.client import (
    Cancelled,
    Done,
    EngineJob,
    EngineStatus,
    Event,
    Failed,
    Loading,
    PictureDone,
    Preview,
    Progress,
    Started,
    Stop,
)
from app.jobs import Jobs, OptionsStore
from app.schema.errors import EngineStopped
from app.schema.params import GenerationParams
from app.schema.settings import ServerSettings

SHA256 = "485672b45d" + "0" * 54
CLOSED = EngineStopped("The engine was stopped before the job was done.")


class FlatEngine:
    """Pictures of one colour (the seed's low byte), jobs one after another. `free` makes every call at once; else `allow` says how many."""

    def __init__(self) -> None:
        self.free = True
        self.loads: list[str] = []
        self.limits: list[tuple[int, bool]] = []
        self.jobs: list[EngineJob] = []
        self.fail_with: Exception | None = None
        self.wakes = threading.Condition()
        self._permits = 0
        self._stops: dict[str, Stop] = {}
        self._inbox: queue.Queue[EngineJob | None] = queue.Queue()
        self._closed = False
        self._current: str | None = None

    def start(self, on_event: Callable[[Event], None]) -> None:
        self._tell = on_event
        self._thread = threading.Thread(target=self._run, name="flat-engine")
        self._thread.start()

    def submit(self, job: EngineJob) -> None:
        if self.fail_with is not None:
            raise self.fail_with
        self.jobs.append(job)
        self._inbox.put(job)

    def stop_job(self, job: str, how: Stop) -> None:
        with self.wakes:
            self._stops[job] = how
            self.wakes.notify_all()

    def unload(self) -> None:
        self.loads.clear()

    def load(self, checkpoint: str) -> None:
        self.loads.append(checkpoint)

    def limit(self, most: int, *, one_on_device: bool) -> None:
        self.limits.append((most, one_on_device))

    def status(self) -> EngineStatus:
        running = (self._current,) if self._current else ()
        return EngineStatus(
            running=running, waiting=self._inbox.qsize(), device="cpu", dtype="fp32", resident=(), loaded=None, forwards=0, rows=0
        )

    def close(self) -> None:
        with self.wakes:
            self._closed = True
            self.wakes.notify_all()
        self._inbox.put(None)
        self._thread.join()

    def allow(self, calls: int) -> None:
        with self.wakes:
            self._permits += calls
            self.wakes.notify_all()

    def _run(self) -> None:
        while (job := self._inbox.get()) is not None:
            self._current = job.id
            self._tell(Failed(job.id, str(CLOSED), CLOSED.code, CLOSED.status) if self._closed else self._make(job))
            self._current = None

    def _permit(self, job: EngineJob) -> Stop | None:
        with self.wakes:
            self.wakes.wait_for(lambda: self.free or self._permits or self._closed or job.id in self._stops)
            if self._closed:
                raise CLOSED
            if job.id in self._stops:
                return self._stops[job.id]
            self._permits -= not self.free
            return None

    def _make(self, job: EngineJob) -> Event:
        params = job.params
        if self._stops.get(job.id) is Stop.CANCEL:
            return Cancelled(job.id)
        self._tell(Started(job.id))
        self._tell(Loading(job.id, params.checkpoint))
        interrupted = False
        try:
            for batch in range(params.n_iter):
                stop = self._denoise(job, batch)
                if stop is Stop.CANCEL:
                    return Cancelled(job.id)
                self._decode(job, batch)
                interrupted = stop is Stop.INTERRUPT
                if interrupted:
                    break
        except EngineStopped as error:
            return Failed(job.id, str(error), error.code, error.status)
        if params.prompt == "explode":
            return Failed(job.id, "It went wrong inside.")
        return Done(job.id, interrupted)

    def _denoise(self, job: EngineJob, batch: int) -> Stop | None:
        for step in range(job.params.steps):
            if stop := self._permit(job):
                if stop is Stop.SKIP:
                    del self._stops[job.id]
                return stop
            self._tell(Progress(job.id, step + 1, job.params.steps, batch, job.params.n_iter))
            if job.previews:
                self._tell(Preview(job.id, np.full((8, 8, 3), step, np.uint8)))
        return None

    def _decode(self, job: EngineJob, batch: int) -> None:
        params = job.params
        for place in range(params.batch_size):
            index = batch * params.batch_size + place
            seed = params.seed + index
            pixels = np.full((params.height, params.width, 3), seed % 256, np.uint8)
            if job.images:
                pixels[:] = job.images[0]()[0, 0]
            if params.has_hires and params.save_images_before_highres_fix:
                self._tell(PictureDone(job.id, index, pixels // 2, seed, "pocket", SHA256, first_pass=True))
            self._tell(PictureDone(job.id, index, pixels, seed, "pocket", SHA256, {"Test field": "yes"}, _beside(job)))


def _beside(job: EngineJob) -> dict[str, np.ndarray]:
    """Flat ones, for the masks that the job wants."""
    params = job.params
    if job.mask is None:
        return {}
    wanted = {name: getattr(params, f"return_{name}") or getattr(params, f"save_{name}") for name in ("mask", "mask_composite")}
    size = params.height, params.width
    shades = {"mask": np.full((*size, 3), 255, np.uint8), "mask_composite": np.full((*size, 4), 128, np.uint8)}
    return {name: shades[name] for name, is_wanted in wanted.items() if is_wanted}


def name_checkpoint(params: GenerationParams) -> GenerationParams:
    """What server.py does, in small: an empty checkpoint becomes the chosen one."""
    return params.model_copy(update={"checkpoint": params.checkpoint or "pocket"})


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Until the condition holds; AssertionError after the time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(data_dir=tmp_path / "data")


@pytest.fixture
def engine() -> FlatEngine:
    return FlatEngine()


@pytest.fixture
def options(settings: ServerSettings) -> OptionsStore:
    return OptionsStore(settings.data_dir / "config.json")


@pytest.fixture
def jobs(settings: ServerSettings, engine: FlatEngine, options: OptionsStore) -> Iterator[Jobs]:
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    yield jobs
    with suppress(EngineStopped):
        jobs.close()
