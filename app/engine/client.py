"""The engine's only door and the messages that pass through it. Imports no torch: jobs and the server may know this file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from app.schema.params import GenerationParams

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
"""(height, width, 3) uint8; (height, width) of a mask."""
InputPicture = Callable[[], Pixels]
"""Decodes an input picture, RGB, or a mask, grey. Called where and when it is needed, so that jobs that wait hold none; equal
ones are one picture. It has to survive pickling; a DarkroomError that it raises is the job's failure."""


class Stop(StrEnum):
    """How a job is stopped."""

    INTERRUPT = "interrupt"
    """Finish at once with what the steps so far have made."""
    SKIP = "skip"
    """The same for the current batch only; later batches of the job follow."""
    CANCEL = "cancel"
    """Drop it, no further picture."""


@dataclass(frozen=True, kw_only=True)
class EngineJob:
    """A job as the engine takes it. `params` are final: seed drawn, checkpoint named, styles merged."""

    id: str
    client: str
    params: GenerationParams
    images: tuple[InputPicture, ...] = ()
    """Of img2img."""
    mask: InputPicture | None = None
    """White where img2img draws; None: everywhere."""
    latent_mask: InputPicture | None = None
    """The same for the latents, where that is another."""
    colours: InputPicture | None = None
    """Whose colours the correction gives the result; None: the input picture's."""
    previews: bool = True


@dataclass(frozen=True)
class Event:
    """Something the engine says about one job."""

    job: str


@dataclass(frozen=True)
class Started(Event):
    """The job's first op was taken up."""


@dataclass(frozen=True)
class Loading(Event):
    """A checkpoint is being made resident for the job."""

    checkpoint: str


@dataclass(frozen=True)
class Progress(Event):
    """Denoiser calls done, of the calls the whole job needs."""

    step: int
    steps: int
    batch: int
    batches: int

    @property
    def fraction(self) -> float:
        """0..1 over the whole job."""
        return min(1.0, (self.batch + self.step / max(1, self.steps)) / max(1, self.batches))


@dataclass(frozen=True, eq=False)
class Preview(Event):
    """A rough look at the job's first unfinished picture."""

    pixels: Pixels


@dataclass(frozen=True)
class Remarked(Event):
    """Something that whoever asked for the job should know; it goes on."""

    text: str


@dataclass(frozen=True, eq=False)
class PictureDone(Event):
    """Picture `index` of the job."""

    index: int
    pixels: Pixels
    seed: int
    model_name: str
    model_sha256: str
    extras: dict[str, str] = field(default_factory=dict)
    """Further infotext fields, label to value."""
    beside: Mapping[str, Pixels] = field(default_factory=dict)
    """Pictures to be shown or saved beside it, RGB or RGBA, by what they are: its `mask`, its `mask_composite`."""
    first_pass: bool = False
    """Whether it is what the hires fix begins with: a file at most, none of the job's pictures."""


@dataclass(frozen=True)
class Done(Event):
    """The job ended well; `interrupted` when somebody stopped it early."""

    interrupted: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Where the engine's time for it went, as the job saw it: load, encode, steps, decode, waits for others included."""


@dataclass(frozen=True)
class Failed(Event):
    """The job ended without its pictures. `message` is for people; `code` and `status` are those of a DarkroomError."""

    message: str
    code: str = "internal"
    status: int = 500


@dataclass(frozen=True)
class Cancelled(Event):
    """The job was dropped on request."""


@dataclass(frozen=True)
class Lost(Event):
    """The engine died before the job ended. It takes jobs again, and may be given this one anew."""

    reason: str
    """What the engine died of, a clause for people."""
    was_running: bool
    """Whether it was working on the job."""


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """What the engine is doing."""

    running: tuple[str, ...]
    """Ids of jobs that have been started and not ended, oldest first."""
    waiting: int
    device: str
    dtype: str
    resident: tuple[str, ...]
    """Names of the checkpoints in memory, most recently used first."""
    loaded: str | None
    """The checkpoint used last."""
    forwards: int
    """Forwards run since the start."""
    rows: int
    """Rows run through them, padding not counted."""
    deaths: int = 0
    """How often the engine's process has died since the start of the server."""
    last_death: str | None = None
    """What it died of, a clause for people."""


class EngineClient(Protocol):
    """Thread, process or remote: jobs see only this."""

    def start(self, on_event: Callable[[Event], None]) -> None:
        """Begin; `on_event` is called from the engine's thread and must return quickly."""
        ...

    def submit(self, job: EngineJob) -> None:
        """Hand over a job. Every job ends with exactly one of Done, Failed, Cancelled, Lost."""
        ...

    def stop_job(self, job: str, how: Stop) -> None:
        """Takes effect after the current forward; an unknown or ended job is ignored."""
        ...

    def unload(self) -> None:
        """Free all resident checkpoints that no running job needs."""
        ...

    def load(self, checkpoint: str) -> None:
        """Make a checkpoint resident before anybody asks for a picture."""
        ...

    def limit(self, most: int, *, one_on_device: bool) -> None:
        """Keep at most so many checkpoints in memory (0: as the budgets allow), and on the device perhaps only one; until said anew."""
        ...

    def status(self) -> EngineStatus:
        """A snapshot, cheap enough to poll."""
        ...

    def close(self) -> None:
        """Stop after the current forward; unfinished jobs fail with EngineStopped's code."""
        ...
