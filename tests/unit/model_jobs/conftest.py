"""A shelf over the tiny models of one test, and the list of its jobs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.model_jobs import ModelJob, ModelJobs, Shelf
from app.model_jobs.actions import ACTIONS
from app.models import Catalog
from app.schema.settings import ServerSettings

PATIENCE_S = 60.0


@pytest.fixture
def settings(tiny_data: Path) -> ServerSettings:
    return ServerSettings(data_dir=tiny_data)


@pytest.fixture
def catalog(settings: ServerSettings) -> Iterator[Catalog]:
    made = Catalog(settings)
    yield made
    made.close()


@pytest.fixture
def jobs(settings: ServerSettings, catalog: Catalog) -> Iterator[ModelJobs]:
    made = ModelJobs(Shelf(settings=settings, catalog=catalog))
    made.start()
    yield made
    made.close()


@pytest.fixture
def folder(tiny_data: Path) -> Path:
    return tiny_data / "models" / "Stable-diffusion"


@pytest.fixture
def do(jobs: ModelJobs) -> Callable[..., ModelJob]:
    """Asks for an action and waits for its end."""

    def ask(**action: Any) -> ModelJob:
        return ended(jobs, jobs.add(ACTIONS.validate_python(action)).id)

    return ask


def ended(jobs: ModelJobs, wanted: str) -> ModelJob:
    until = time.monotonic() + PATIENCE_S
    while (job := jobs.get(wanted)).state in ("queued", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.01)
    return job


def write(path: Path, text: str) -> None:
    """A new file: one that is there may be a link into the store of tiny models."""
    path.unlink(missing_ok=True)
    path.write_text(text)
