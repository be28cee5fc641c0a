"""Progress, interrupt and skip: A1111's routes that name no job, and its /internal ones that do."""

from fastapi import APIRouter, Request

from app.api.client import client_of
from app.api.sdapi.answer import timestamp_of
from app.api.sdapi.pictures import data_uri, encode_base64
from app.api.sdapi.requests import ProgressRequest
from app.api.services import Services
from app.engine.client import Stop
from app.jobs import LIVE, JobView

LEAST_PROGRESS = 0.01
"""What A1111 says of a job that has begun."""
MAX_LISTED = 1000
"""Most waiting tasks that are listed or counted."""


def progress_routes(services: Services) -> APIRouter:
    """Routes below /sdapi/v1."""
    router = APIRouter()

    @router.get("/progress")
    def progress(http: Request, skip_current_image: bool = False, task_id: str | None = None) -> dict[str, object]:
        """The running job, or the one of `task_id` (not in A1111); idle: the last job's state with progress 0."""
        job = current_job(services, client_of(http)) if task_id is None else job_of_task(services, task_id, client_of(http))
        if job is None or job.is_over:
            return _idle(last_job(services, client_of(http)))
        return _running(services, job, with_image=not skip_current_image)

    @router.post("/interrupt")
    def interrupt(http: Request) -> dict[str, object]:
        """Ends the current job with what its steps so far have made; 200 also when nothing runs."""
        stop_current(services, client_of(http), Stop.INTERRUPT)
        return {}

    @router.post("/skip")
    def skip(http: Request) -> None:
        """The same for the current batch of the job; 200 also when nothing runs."""
        stop_current(services, client_of(http), Stop.SKIP)

    return router


def internal_routes(services: Services) -> APIRouter:
    """Routes below /internal."""
    router = APIRouter()

    @router.get("/ping")
    async def ping() -> dict[str, object]:
        """Whether the server is there."""
        return {}

    @router.get("/pending-tasks")
    def pending_tasks(http: Request) -> dict[str, object]:
        """Task ids of the jobs that wait, the next one first."""
        waiting = services.jobs.list(services.scope_of(client_of(http)), ["queued"], MAX_LISTED)
        tasks = [job.task_id or job.id for job in reversed(waiting)]
        return {"size": len(tasks), "tasks": tasks}

    @router.post("/progress")
    def task_progress(request: ProgressRequest, http: Request) -> dict[str, object]:
        """One task's progress; its preview when the one the asker has is older."""
        client = client_of(http)
        job = job_of_task(services, request.id_task, client) if request.id_task else current_job(services, client)
        answer: dict[str, object] = {
            "active": job is not None and job.state == "running",
            "queued": job is not None and job.state == "queued",
            "completed": job is not None and job.is_over,
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": request.id_live_preview,
            "textinfo": None,
        }
        if job is None or job.state != "running":
            return answer | {"textinfo": _place(services, job) if job and job.position else "Waiting..."}
        answer |= {"progress": max(LEAST_PROGRESS, job.progress), "eta": job.eta_s, "textinfo": _loading(job)}
        preview = services.jobs.preview(job.id) if request.live_preview is not False else None
        if preview is not None and preview.number != request.id_live_preview:
            answer |= {"live_preview": data_uri(preview.data, preview.media_type), "id_live_preview": preview.number}
        return answer

    return router


def current_job(services: Services, client: str) -> JobView | None:
    """The running job of the asker; if there is none, the oldest running one that he may see."""
    return services.jobs.current(client=client) or services.jobs.current(client=services.scope_of(client))


def last_job(services: Services, client: str) -> JobView | None:
    """The newest job that has ended."""
    return next(iter(services.jobs.list(services.scope_of(client), ["done", "failed", "cancelled"], 1)), None)


def job_of_task(services: Services, task: str, client: str) -> JobView | None:
    """The asker's newest job with that task id (or job id); if there is none, anybody's that he may see."""
    return services.jobs.by_task(task, client=client) or services.jobs.by_task(task, client=services.scope_of(client))


def stop_current(services: Services, client: str, how: Stop) -> None:
    """Stops the asker's own job, else one that he may see."""
    own = services.jobs.list(client, LIVE, 1)
    services.jobs.stop_current(how, client=client if own else services.scope_of(client))


def _running(services: Services, job: JobView, *, with_image: bool) -> dict[str, object]:
    waiting = job.state == "queued"
    named = f"Batch {job.batch + 1} out of {job.batches}" if job.batches > 1 else job.mode
    preview = services.jobs.preview(job.id) if with_image and not waiting else None
    return {
        "progress": 0.0 if waiting else max(LEAST_PROGRESS, job.progress),
        "eta_relative": job.eta_s or 0.0,
        "state": _state(job) | {"job": named, "job_count": job.batches},
        "current_image": encode_base64(preview.data) if preview else None,
        "textinfo": _place(services, job) if waiting else _loading(job),
    }


def _idle(last: JobView | None) -> dict[str, object]:
    return {
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": _state(last) | {"job": "", "job_count": 0},
        "current_image": None,
        "textinfo": None,
    }


def _state(job: JobView | None) -> dict[str, object]:
    return {
        "skipped": False,
        "interrupted": bool(job and job.interrupted),
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": timestamp_of(job) if job else "0",
        "job_no": job.batch if job else 0,
        "sampling_step": job.step if job and not job.is_over else 0,
        "sampling_steps": job.steps or job.params.steps if job else 0,
    }


def _place(services: Services, job: JobView) -> str:
    return f"In queue: {job.position}/{len(services.jobs.list(None, ['queued'], MAX_LISTED))}"


def _loading(job: JobView) -> str | None:
    return f"Loading {job.loading}" if job.loading else None
