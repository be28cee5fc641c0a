"""What is told about jobs and pictures: frozen snapshots that every thread may keep."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.schema.params import GenerationParams, Mode
from app.schema.scripts import GRID, SUBGRIDS, ScriptCall
from app.scripts import Outcome

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
LIVE: frozenset[JobState] = frozenset({"queued", "running"})
BESIDE = -2
"""From here down are the numbers of pictures that are shown beside a result: its mask, say."""
MOST_BESIDE = 2
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed: a sentence for people, a code for programs, the HTTP status at the edge."""

    code: str
    message: str
    status: int = 500


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """One finished picture."""

    id: str
    job: str
    number: int
    """Its place in the job, from 0; `GRID` for all of them in one, below that for what is shown beside a result, and far below for a
    script's further grids."""
    seed: int
    path: str | None
    """Relative to the outputs folder, with `/`; None: kept in memory only, for a while."""
    format: str
    """Of the file: png, jpg, jpeg, webp or avif."""
    width: int
    height: int
    infotext: str

    @property
    def beside(self) -> int | None:
        """The number of the result that it is shown beside; None for results themselves, and the grid."""
        return (BESIDE - self.number) // MOST_BESIDE if SUBGRIDS < self.number <= BESIDE else None

    @property
    def media_type(self) -> str:
        """What HTTP calls the format."""
        return f"image/{'jpeg' if self.format == 'jpg' else self.format}"


def number_beside(number: int, place: int) -> int:
    """The number of what is shown beside result `number`, at `place` of up to `MOST_BESIDE`."""
    return BESIDE - MOST_BESIDE * number - place


def together(results: Iterable[PictureView], beside: Iterable[PictureView]) -> list[PictureView]:
    """Each result with what is shown beside it."""
    others = tuple(beside)
    return [shown for result in results for shown in (result, *(other for other in others if other.beside == result.number))]


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """A job's pictures by what they are."""

    results: tuple[PictureView, ...]
    beside: tuple[PictureView, ...]
    grid: PictureView | None
    further_grids: tuple[PictureView, ...]

    @classmethod
    def of(cls, pictures: Iterable[PictureView]) -> "Sorted":
        """Each kind in its order."""
        every = sorted(pictures, key=lambda picture: picture.number)
        results = tuple(picture for picture in every if picture.number > GRID)
        beside = tuple(reversed([picture for picture in every if SUBGRIDS < picture.number < GRID]))
        further = tuple(reversed([picture for picture in every if picture.number <= SUBGRIDS]))
        grid = next((picture for picture in every if picture.number == GRID), None)
        return cls(results=results, beside=beside, grid=grid, further_grids=further)


@dataclass(frozen=True, kw_only=True)
class JobView:
    """One job as it stood at one moment. Times are seconds since 1970."""

    id: str
    client: str
    task_id: str | None
    mode: Mode
    params: GenerationParams
    """Final: seed drawn, checkpoint named."""
    save: bool
    state: JobState
    progress: float = 0.0
    """0..1 over the whole job."""
    step: int = 0
    steps: int = 0
    """Denoiser calls of the current batch; 0 before the engine has said."""
    batch: int = 0
    batches: int = 0
    eta_s: float | None = None
    """Seconds until the end, from the time per step; None while nothing can be said."""
    loading: str | None = None
    """The checkpoint that is being loaded for the job."""
    position: int | None = None
    """Place among the queued jobs, from 1; None once it runs."""
    held: bool = False
    """Whether it waits because the queue is paused."""
    pictures: tuple[PictureView, ...] = ()
    beside: tuple[PictureView, ...] = ()
    """What is shown beside the pictures, in their order; in memory only, unless it is saved as well."""
    grid: PictureView | None = None
    """All pictures side by side, if the options want it on the page; known once the job has ended."""
    further_grids: tuple[PictureView, ...] = ()
    """Those that a script has made beside it."""
    script: ScriptCall | None = None
    """The script that the job runs."""
    outcome: Outcome | None = None
    """What an ended script's answer holds; None where it was stopped."""
    error: JobError | None = None
    interrupted: bool = False
    created: float
    started: float | None = None
    ended: float | None = None
    crashes: int = 0
    """How often it was running when the engine or the server died."""
    again: str | None = None
    """Why a job waits a second time, in a sentence."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Where the time went: queue, load, encode, steps, decode, save."""

    @property
    def shown(self) -> tuple[PictureView, ...]:
        """What the job has to show, grids first; a script says itself which of its pictures these are."""
        every = (*((self.grid,) if self.grid else ()), *self.further_grids, *self.pictures)
        if self.outcome is None:
            return every
        by_number = {picture.number: picture for picture in every}
        told = [by_number[number] for number in self.outcome.images if number in by_number]
        return tuple(together(told, self.beside) if self.outcome.with_beside else told)

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job will change any more."""
        return self.state in ENDED


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """What makes a request the same one when it is sent again."""

    key: str
    fingerprint: str
    """Of what was asked for."""


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """How much is going on."""

    queued: int
    running: int
    ended: Mapping[str, int]
    """Jobs by the state they ended in, since the start."""
    pictures: int
    """Pictures kept since the start."""
    pictures_a_minute: int


@dataclass(frozen=True, kw_only=True)
class JobPreview:
    """A rough look at a running job's picture, encoded."""

    number: int
    """Grows with each new preview of the job, from 1."""
    data: bytes
    media_type: str
