"""What is said to an engine from outside, as data: the loop reads these between forwards. Imports no torch."""

from concurrent.futures import Future
from dataclasses import dataclass

from app.engine.client import EngineJob, Stop


@dataclass(frozen=True)
class Submit:
    """A new job."""

    job: EngineJob


@dataclass(frozen=True)
class StopJob:
    """Somebody stops a job."""

    job: str
    how: Stop


@dataclass(frozen=True)
class LoadModel:
    """Make a checkpoint resident before it is needed."""

    checkpoint: str


@dataclass(frozen=True)
class UnloadModels:
    """Free what no job needs."""


@dataclass(frozen=True)
class LimitModels:
    """Keep at most so many checkpoints in memory (0: as the budgets allow), and on the device perhaps only one."""

    most: int
    one_on_device: bool


@dataclass(frozen=True)
class Close:
    """End after the current forward."""


@dataclass(frozen=True, eq=False)
class AsideDone:
    """A job's work beside the loop has ended, well or not; from the engine's own threads."""

    job: str
    op: object
    """The `Aside` that it answers: the job may have gone, or another of its name come."""
    result: Future[object]


Message = AsideDone | Submit | StopJob | LoadModel | UnloadModels | LimitModels | Close
