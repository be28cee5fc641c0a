"""The queue of /api/v1: who is where, and moving, holding back, dropping and repeating jobs.

On a server for this machine only whoever asks is its owner and acts on all jobs; else everybody acts on his own.
"""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.api.client import client_of
from app.api.own.jobs import JobId, NewJobId
from app.api.own.views import Problem, price_of
from app.api.services import Services
from app.engine.client import Stop
from app.jobs import ENDED, LIVE, JobState, JobView
from app.schema.params import Mode

MOST = 500
LATEST = 12
PROMPT_CHARS = 200


class QueueEntry(BaseModel):
    """One job as the queue shows it."""

    id: str
    mine: bool
    mode: Mode
    prompt: str
    """Its beginning."""
    state: JobState
    progress: float
    position: int | None
    eta_s: float | None
    pictures: int
    """How many there are so far."""
    wanted: int
    """How many there will be."""
    interrupted: bool
    again: str | None
    error: Problem | None
    seconds: dict[str, float]
    cost: float | None
    created: float
    ended: float | None


class Queue(BaseModel):
    """What the asker may see and change."""

    everybody: bool
    """Whether these are all jobs, because the asker is the owner."""
    paused: bool
    jobs: list[QueueEntry]
    """Running ones first, then those that wait, in their order."""
    latest: list[QueueEntry]
    """Ended ones, newest first."""


class Place(BaseModel):
    """Where a waiting job is to be moved."""

    position: int = Field(ge=1, le=100_000, description="Among the waiting jobs that the asker may move, from 1.")


def queue_routes(services: Services) -> APIRouter:
    """Everything below /api/v1/queue."""
    router = APIRouter(prefix="/queue", tags=["queue"])
    jobs = services.jobs

    def look(http: Request) -> Queue:
        client = client_of(http)
        scope = services.scope_of(client)
        live = sorted(jobs.list(scope, LIVE, MOST), key=lambda job: (job.state == "queued", job.position or 0, job.created))
        price = services.settings.price_per_hour
        return Queue(
            everybody=scope is None,
            paused=jobs.is_paused(scope),
            jobs=[_entry(job, client, price) for job in live],
            latest=[_entry(job, client, price) for job in jobs.list(scope, ENDED, LATEST)],
        )

    @router.get("")
    def queue(http: Request) -> Queue:
        """The asker's jobs that wait or run, and the last that ended."""
        return look(http)

    @router.post("/pause")
    def pause(http: Request) -> Queue:
        """Holds the waiting jobs back; what runs, runs on. Lasts over a restart."""
        jobs.pause(services.scope_of(client_of(http)), True)
        return look(http)

    @router.post("/resume")
    def resume(http: Request) -> Queue:
        """Lets them go on."""
        jobs.pause(services.scope_of(client_of(http)), False)
        return look(http)

    @router.post("/{job}/cancel")
    def cancel(job: JobId, http: Request) -> Queue:
        """Drops a job."""
        jobs.stop(job, Stop.CANCEL, client=services.scope_of(client_of(http)))
        return look(http)

    @router.post("/{job}/move")
    def move(job: JobId, place: Place, http: Request) -> Queue:
        """Puts a waiting job elsewhere in the line; one that the engine has already been given stays where it is."""
        jobs.move(job, place.position, client=services.scope_of(client_of(http)))
        return look(http)

    @router.post("/{job}/requeue", status_code=202)
    def requeue(job: JobId, http: Request) -> NewJobId:
        """Makes a job once more, with the same settings and seeds, as a new job."""
        return NewJobId(id=jobs.again(job, client=services.scope_of(client_of(http))))

    return router


def _entry(job: JobView, client: str, price: float | None) -> QueueEntry:
    return QueueEntry(
        id=job.id,
        mine=job.client == client,
        mode=job.mode,
        prompt=job.params.prompt[:PROMPT_CHARS],
        state=job.state,
        progress=job.progress,
        position=job.position,
        eta_s=job.eta_s,
        pictures=len(job.pictures),
        wanted=max(job.batches, len(job.pictures)) if job.script else job.params.batch_size * job.params.n_iter,
        interrupted=job.interrupted,
        again=job.again,
        error=Problem(code=job.error.code, message=job.error.message) if job.error else None,
        seconds=dict(job.seconds),
        cost=price_of(job, price),
        created=job.created,
        ended=job.ended,
    )
