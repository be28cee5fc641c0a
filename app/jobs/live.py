"""What is known of a job that has not ended, beyond its row: progress, pace, preview, the pictures so far, and of a script its jobs."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from PIL import Image

from app.engine.client import Pixels, Progress, Stop
from app.jobs.database import JobRow
from app.jobs.line import weight_of
from app.jobs.options import OptionsView
from app.jobs.patterns import NameFacts
from app.jobs.views import JobError, JobPreview, JobState, JobView, PictureView
from app.schema.scripts import GRID
from app.scripts import Outcome, Plan, Task

LOSSLESS = frozenset({"png"})

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass
class Pace:
    """Seconds per denoiser call, measured from the first progress after the last load."""

    clock: Clock = time.monotonic
    first: tuple[float, int] | None = None
    """When, and how many calls were done by then."""
    last: tuple[float, int] | None = None
    total: int = 0

    def mark(self, progress: Progress) -> None:
        """Takes a progress report."""
        self.total = progress.steps * progress.batches
        self.last = self.clock(), progress.batch * progress.steps + progress.step
        self.first = self.first or self.last

    def restart(self) -> None:
        """Forgets the pace: what follows includes a wait that says nothing about it."""
        self.first = self.last = None

    def eta_s(self) -> float | None:
        """Seconds until the job's last call; None before two reports. Counts down between reports."""
        if self.first is None or self.last is None or self.last[1] <= self.first[1]:
            return None
        per_call = (self.last[0] - self.first[0]) / (self.last[1] - self.first[1])
        return max(0.0, (self.total - self.last[1]) * per_call - (self.clock() - self.last[0]))


@dataclass(eq=False)
class LiveJob:
    """One unended job; every access holds the lock of `Jobs`, except to what is frozen."""

    row: JobRow
    options: OptionsView
    state: JobState = "queued"
    progress: Progress | None = None
    pace: Pace = field(default_factory=Pace)
    loading: str | None = None
    pictures: list[PictureView] = field(default_factory=list)
    beside: list[PictureView] = field(default_factory=list)
    grids: list[PictureView] = field(default_factory=list)
    parent: "LiveJob | None" = None
    """The script's job that this one is a part of: then it is nobody else's business, and written down nowhere."""
    run: "ScriptRun | None" = None
    """The script that the job runs in place of the engine."""
    outcome: Outcome | None = None
    """What a script that has ended well says about its pictures."""
    first_facts: NameFacts | None = None
    """Of the first saved picture: what the grid is named by."""
    unrecorded: bool = False
    """Whether a picture's row could not be written: then the job is kept in memory after its end, so that the picture is found."""
    error: JobError | None = None
    """Set as soon as something failed on our side, while the engine is still being told to stop."""
    claimed: bool = False
    """Whether the job has left the line for the engine."""
    handed_over: bool = False
    """Whether the engine has the job; a stop that comes between waits for that."""
    crashes: int = 0
    """How often it was running when the engine or the server died."""
    again: str | None = None
    """Why it waits a second time, in a sentence."""
    numbers: set[int] = field(default_factory=set)
    """Of the pictures that are kept or being kept: one that is made again is not kept twice."""
    seconds: dict[str, float] = field(default_factory=dict)
    stopping: Stop | None = None
    interrupted: bool = False
    started: float | None = None
    ended: float | None = None
    preview_pixels: Pixels | None = None
    preview_number: int = 0
    preview: JobPreview | None = None
    """The newest preview that somebody asked for, encoded."""
    over: "Future[None]" = field(default_factory=Future)
    """Done once the job has ended and is written down."""

    @property
    def client(self) -> str:
        """Whose it is."""
        return self.row.client

    @property
    def place(self) -> float:
        """Its place in the line; that of its script, if it is part of one."""
        return self.parent.place if self.parent is not None else self.row.place

    @property
    def weight(self) -> float:
        """What it takes of the engine: a batch, with its negative prompt."""
        params = self.row.params
        return weight_of(2 * params.batch_size, params.width, params.height)

    @property
    def fraction(self) -> float:
        """0..1 over the whole job."""
        return self.progress.fraction if self.progress else 0.0

    @property
    def work_left(self) -> float:
        """Denoiser calls still to do, times the weight; of a script those that are known."""
        params = self.row.params
        if self.run is not None:
            return params.steps * self.weight * max(0, self.run.total - self.run.done)
        return params.steps * params.n_iter * self.weight * (1 - self.fraction)

    @property
    def suspect(self) -> bool:
        """Whether the engine may have died of it."""
        return self.crashes > 0

    @property
    def waits(self) -> bool:
        """Whether it is still in the line: it can be moved, held back and dropped without asking the engine."""
        return not self.claimed and self.ended is None

    def line_up_again(self, why: str | None) -> None:
        """Forgets what the engine had made of it, but for the pictures that are kept."""
        self.state, self.claimed, self.handed_over, self.stopping = "queued", False, False, None
        self.progress, self.pace, self.loading = None, Pace(), None
        self.preview_pixels = self.preview = None
        self.again = why

    @property
    def is_cut_short(self) -> bool:
        """Whether a picture that comes now has not had all its steps, because somebody stopped it."""
        short = self.progress is None or self.progress.step < self.progress.steps
        return self.stopping in (Stop.INTERRUPT, Stop.SKIP) and short

    def view(self, position: int | None, eta_s: float | None = None) -> JobView:
        """A snapshot; the line says how long a queued job has still to go."""
        row, view = self.row, self.progress
        snapshot = JobView(
            id=row.id,
            client=row.client,
            task_id=row.task_id,
            mode=row.params.mode,
            params=row.params,
            save=row.save,
            state=self.state,
            batches=row.params.n_iter,
            loading=self.loading,
            position=position,
            eta_s=eta_s,
            pictures=tuple(sorted(self.pictures, key=lambda picture: picture.number)) if row.script else tuple(self.pictures),
            beside=tuple(self.beside),
            grid=next((grid for grid in self.grids if grid.number == GRID), None),
            further_grids=tuple(grid for grid in self.grids if grid.number < GRID),
            script=row.script,
            outcome=self.outcome,
            error=self.error if self.ended is not None else None,
            interrupted=self.interrupted,
            created=row.created,
            started=self.started,
            ended=self.ended,
            crashes=self.crashes,
            again=self.again,
            seconds=dict(self.seconds),
        )
        if view is None:
            return snapshot
        return replace(
            snapshot,
            progress=1.0 if self.state == "done" else view.fraction,
            step=view.step,
            steps=view.steps,
            batch=view.batch,
            batches=view.batches,
            eta_s=self.pace.eta_s() if self.state == "running" else eta_s,
        )


@dataclass(frozen=True)
class Made:
    """A finished picture of a script's job."""

    seed: int
    infotext: str
    row: JobRow
    read: Callable[[], Pixels]

    def open(self) -> Image.Image:
        """Its pixels."""
        return Image.fromarray(self.read())


@dataclass(eq=False)
class ScriptRun:
    """One script at work. What the worker of scripts does not do alone happens under the lock of `Work`."""

    job: LiveJob
    plan: Plan
    total: int
    """Jobs that it asks for in all."""
    waiting: deque[tuple[int, Task]] = field(default_factory=deque)
    """Jobs of the current step that are not in line yet, with their places in it."""
    active: dict[str, tuple[int, Task, LiveJob]] = field(default_factory=dict)
    """Those that are, by id."""
    made: dict[int, dict[int, Made]] = field(default_factory=dict)
    """Their pictures, by the place in the step and the number in the job: one that is made again after a crash counts once."""
    size: int = 0
    """Jobs in the current step."""
    done: int = 0
    """Jobs that have ended."""
    skipped: bool = False
    kept: dict[int, PictureView] = field(default_factory=dict)
    """Pictures of a former run of the server, by number."""

    @property
    def stopping(self) -> Stop | None:
        """How the whole script is being stopped, if it is."""
        return self.job.stopping

    @property
    def is_given_up(self) -> bool:
        """Whether nothing more of it is to be begun."""
        return self.stopping is not None or self.job.error is not None or self.job.ended is not None

    def has_pixels(self, view: PictureView) -> bool:
        """Whether the kept picture is as good to the plan as what was drawn."""
        return view.format in LOSSLESS or not self.plan.opens
