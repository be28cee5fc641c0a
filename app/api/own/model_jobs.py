"""/api/v1/models/actions and /trash: model files verified, converted, merged, renamed, moved, thrown away and brought back.

Jobs belong to who asked for them: on a server for this machine only whoever asks is its owner and sees and stops all.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.client import client_of
from app.api.services import Services
from app.model_jobs import Action, ModelJob, trashed
from app.model_jobs.queue import State
from app.schema.errors import NotSupported


class ModelJobEntry(BaseModel):
    """One model job as the list shows it."""

    id: str
    action: Mapping[str, Any]
    """As it was asked for."""
    title: str
    state: State
    done_bytes: int
    total_bytes: int | None
    bytes_per_s: float
    left_s: float | None
    summary: str
    """What came of it, in a sentence."""
    error: str
    file: str
    """The new file, or where a file is now, below its folder."""
    facts: Mapping[str, str]
    """Hashes that were made, by their names at Civitai."""
    created: float
    begun: float | None
    ended: float | None

    @classmethod
    def of(cls, job: ModelJob) -> "ModelJobEntry":
        """From the list's entry."""
        return cls(
            id=job.id, action=job.action, title=job.title, state=job.state, done_bytes=job.done_bytes, total_bytes=job.total_bytes,
            bytes_per_s=round(job.bytes_per_s), left_s=job.left_s, summary=job.summary, error=job.error, file=job.file,
            facts=job.facts, created=job.created, begun=job.begun, ended=job.ended,
        )  # fmt: skip


class ModelJobList(BaseModel):
    """The asker's model jobs, the newest first."""

    allowed: bool
    """Whether model files may be changed on this server."""
    jobs: list[ModelJobEntry]


class TrashedModel(BaseModel):
    """A model in the trash."""

    key: str
    kind: str
    place: str
    """Where it was, below its folder."""
    size_bytes: int
    beside: list[str]
    """Files that belong to it."""
    deleted: float


def model_job_routes(services: Services) -> APIRouter:
    """Everything below /api/v1/models/actions, and what lies in the trash."""
    router = APIRouter(prefix="/models", tags=["models"])
    jobs = services.model_jobs

    def allowed() -> None:
        if not services.settings.changes_models:
            raise NotSupported("On a public address model files are changed only behind a password: start with --gradio-auth.")

    def own(http: Request, job_id: str) -> str:
        allowed()
        return jobs.get(job_id, services.scope_of(client_of(http))).id

    @router.get("/actions")
    def look(http: Request) -> ModelJobList:
        """Every model job of the asker that the list remembers."""
        entries = [ModelJobEntry.of(job) for job in jobs.all(services.scope_of(client_of(http)))]
        return ModelJobList(allowed=services.settings.changes_models, jobs=entries)

    @router.post("/actions", status_code=202)
    def add(action: Action, http: Request) -> ModelJobEntry:
        """Begins a job; what cannot be done is refused at once, as far as that can be seen."""
        allowed()
        return ModelJobEntry.of(jobs.add(action, client_of(http)))

    @router.get("/actions/{job_id}")
    def one(job_id: str, http: Request) -> ModelJobEntry:
        """How one stands."""
        return ModelJobEntry.of(jobs.get(job_id, services.scope_of(client_of(http))))

    @router.post("/actions/{job_id}/cancel")
    def cancel(job_id: str, http: Request) -> ModelJobEntry:
        """Ends it; nothing half-made is left."""
        return ModelJobEntry.of(jobs.cancel(own(http, job_id)))

    @router.delete("/actions/{job_id}", status_code=204)
    def remove(job_id: str, http: Request) -> None:
        """Takes it off the list; what is at work ends first."""
        jobs.remove(own(http, job_id))

    @router.get("/trash")
    def in_trash() -> list[TrashedModel]:
        """What was thrown away, the newest first."""
        allowed()
        return [
            TrashedModel(
                key=one.key, kind=root.kind, place=one.relative, size_bytes=one.path.stat().st_size,
                beside=[path.name for path in one.beside], deleted=one.deleted,
            )
            for root, one in trashed(jobs.shelf)
        ]  # fmt: skip

    return router
