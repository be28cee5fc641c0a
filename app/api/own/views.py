"""How jobs and pictures look in answers of /api/v1. The owner's id is left out: it is the browser's secret."""

from pydantic import BaseModel

from app.jobs import JobState, JobView, PictureView
from app.schema.params import GenerationParams, Mode


class Picture(BaseModel):
    """A finished picture; its file is at `url`."""

    id: str
    number: int
    """Its place in the job, from 0; -1 for a grid, below that for what is shown beside a picture."""
    seed: int
    width: int
    height: int
    format: str
    saved_as: str | None
    """Relative to the outputs folder; null: kept in memory for a while."""
    infotext: str
    url: str
    beside: int | None
    """The number of the picture that it is shown beside, as its mask is; null for all others."""

    @classmethod
    def of(cls, view: PictureView, root: str) -> "Picture":
        """From the view; `root` is the prefix that the server lies below."""
        return cls(
            id=view.id,
            number=view.number,
            seed=view.seed,
            width=view.width,
            height=view.height,
            format=view.format,
            saved_as=view.path,
            infotext=view.infotext,
            url=f"{root}/api/v1/pictures/{view.id}",
            beside=view.beside,
        )


_MADE = frozenset(("pictures", "beside", "grid", "grids", "script", "error", "seconds", "cost"))
"""Fields of a `Job` that are not the view's own."""


class Problem(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class Job(BaseModel):
    """A job as it stands."""

    id: str
    task_id: str | None
    mode: Mode
    state: JobState
    params: GenerationParams
    save: bool
    progress: float
    step: int
    steps: int
    batch: int
    batches: int
    eta_s: float | None
    loading: str | None
    position: int | None
    held: bool
    """Whether it waits because the queue is paused."""
    interrupted: bool
    pictures: list[Picture]
    beside: list[Picture]
    """Masks and the like, where options ask for them; in memory for a while unless they are saved."""
    grid: Picture | None
    """All pictures in one, once the job has ended."""
    grids: list[Picture]
    """Further grids that a script has made."""
    script: str | None
    """The script that makes the job's pictures."""
    error: Problem | None
    created: float
    started: float | None
    ended: float | None
    crashes: int
    """How often it was running when the engine or the server died; after two it is given up."""
    again: str | None
    """Why it waits a second time."""
    seconds: dict[str, float]
    """Where the time went: queue, load, encode, steps, decode, save."""
    cost: float | None
    """At the price of `--price-per-hour`, as if the machine had worked for this job alone; null without a price."""

    @classmethod
    def of(cls, view: JobView, root: str, price_per_hour: float | None = None) -> "Job":
        """From the view; `root` as in `Picture.of`, `price_per_hour` of the machine."""
        same = {name: getattr(view, name) for name in cls.model_fields if name not in _MADE}
        error = Problem(code=view.error.code, message=view.error.message) if view.error else None
        grid = Picture.of(view.grid, root) if view.grid else None
        pictures = [Picture.of(picture, root) for picture in view.pictures]
        made = {
            "seconds": dict(view.seconds),
            "cost": price_of(view, price_per_hour),
            "pictures": pictures,
            "beside": [Picture.of(picture, root) for picture in view.beside],
            "grid": grid,
            "grids": [Picture.of(picture, root) for picture in view.further_grids],
            "script": view.script.name if view.script else None,
            "error": error,
        }
        return cls(**same, **made)


ENGINE_PHASES = ("load", "encode", "steps", "decode")


def price_of(view: JobView, price_per_hour: float | None) -> float | None:
    """What an ended job cost; None without a price, or before it is known."""
    if price_per_hour is None or not view.is_over:
        return None
    return price_per_hour / 3600 * sum(view.seconds.get(phase, 0.0) for phase in ENGINE_PHASES)
