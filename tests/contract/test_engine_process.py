"""What an engine in a process of its own promises beyond the contract: its death is not the server's, and every job hears of it."""

import contextlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.engine.choice import runs_in_process
from app.engine.client import Done, Failed, Lost, Progress
from app.engine.patience import Patience
from app.engine.process import ProcessEngine
from app.jobs import Jobs, OptionsStore
from app.models import Catalog
from app.schema.settings import ServerSettings
from tests.contract import faults
from tests.contract.test_engine import Watcher, difference, job, params


@contextlib.contextmanager
def engine_of(data: Path, **more: Any) -> Iterator[tuple[ProcessEngine, Watcher]]:
    settings = ServerSettings(data_dir=data, device=more.pop("device", "cpu"))
    catalog, watcher = Catalog(settings), Watcher()
    catalog.refresh()
    made = ProcessEngine(settings, catalog, **more)
    made.start(watcher)
    try:
        yield made, watcher
    finally:
        made.close()


def deadly(silence_s: float = 30.0) -> dict[str, Any]:
    """`silence_s` is what a hang takes to be seen, and what a new process may take to start on a busy machine."""
    return {"build": partial(faults.build_with, faults.deadly), "patience": Patience(least_s=silence_s, factor=1.0)}


def test_faults_of_the_process_are_survived(tiny_data: Path) -> None:
    """Out of memory, a fault in native code, a hang, in the life of one engine: each start of a process takes seconds."""
    with engine_of(tiny_data, **deadly()) as (engine, watcher):
        engine.submit(job("tight", width=80, batch_size=4, steps=2))
        tight = watcher.pictures("tight")
        assert len(tight) == 4 and engine.status().rows == 16 and engine.status().forwards == 8

        engine.submit(job("long", steps=1000, n_iter=20))
        watcher.wait(Progress, "long")
        engine.submit(job("deadly", width=128))
        for name in ("deadly", "long"):
            lost = watcher.wait(Lost, name)
            assert isinstance(lost, Lost) and lost.was_running and "SIGSEGV" in lost.reason
        status = engine.status()
        assert (status.deaths, status.running, status.waiting) == (1, (), 0) and "SIGSEGV" in str(status.last_death)

        folder = tiny_data / "models" / "Stable-diffusion"
        shutil.copy(folder / "tiny-a.safetensors", folder / "new.safetensors")
        engine._catalog.refresh()
        engine.submit(job("after", checkpoint="new.safetensors", width=80, steps=2))
        assert difference(tight[0], watcher.pictures("after")[0]) <= 1

        engine.submit(job("hanging", width=192))
        lost = watcher.wait(Lost, "hanging")
        assert isinstance(lost, Lost) and lost.was_running and "did not get on for" in lost.reason


def test_an_engine_that_cannot_start_says_why(tiny_models: Path) -> None:
    with engine_of(tiny_models, device="nonsense") as (engine, watcher):
        engine.submit(job("first"))
        failed = watcher.wait((Done, Failed, Lost), "first")
        assert isinstance(failed, Failed) and failed.status == 503 and "--device nonsense" in failed.message


def test_closing_before_anything_was_asked_starts_no_process(tiny_models: Path) -> None:
    with engine_of(tiny_models) as (engine, watcher):
        assert engine.pid is None and engine.status().device == "starting"
    assert watcher.events == [] and engine.pid is None


def test_a_job_that_kills_the_engine_twice_fails_and_its_neighbour_is_made(tiny_data: Path) -> None:
    settings = ServerSettings(data_dir=tiny_data, device="cpu")
    catalog = Catalog(settings)
    catalog.refresh()
    engine = ProcessEngine(settings, catalog, **deadly(300.0))
    jobs = Jobs(settings, engine, OptionsStore(tiny_data / "config.json"), resolve=lambda asked: asked)
    try:
        culprit = jobs.submit(params(width=128), client="me")
        neighbour = jobs.submit(params(steps=40, n_iter=2), client="you")
        failed = jobs.wait(culprit, 90)
        assert failed.error is not None and (failed.state, failed.error.code) == ("failed", "crashed")
        assert "SIGSEGV" in failed.error.message and "2 crashes in a row" in failed.error.message
        made = jobs.wait(neighbour, 240)
        assert (made.state, len(made.pictures)) == ("done", 2)
    finally:
        jobs.close()


def test_patience_grows_with_what_was_seen_and_with_the_picture() -> None:
    patience = Patience()
    assert patience.limit_s(512 * 512) == 900.0
    patience.saw(0.1, 64 * 64)
    assert patience.limit_s(64 * 64) == 300.0
    assert patience.limit_s(1024 * 1024) == pytest.approx(30 * 0.1 * 256)


def test_the_choice_follows_the_flag_and_the_device() -> None:
    assert runs_in_process(ServerSettings(engine="process")) and not runs_in_process(ServerSettings(engine="thread", device="cuda"))
    assert runs_in_process(ServerSettings(device="cuda:1")) and not runs_in_process(ServerSettings(device="cpu"))
