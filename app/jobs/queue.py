"""The jobs: accepted, written down, handed to the engine, followed to their end, found again."""

import asyncio
import concurrent.futures
import contextlib
import io
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial
from threading import RLock
from uuid import uuid4

from PIL import Image

from app.engine.client import (
    Cancelled,
    Done,
    EngineClient,
    EngineJob,
    Event,
    Failed,
    Loading,
    PictureDone,
    Pixels,
    Preview,
    Progress,
    Started,
    Stop,
)
from app.jobs.database import Database, JobRow
from app.jobs.events import EventLog, Subscription
from app.jobs.files import CannotSave, Outputs, claim, explained
from app.jobs.inputs import Inputs
from app.jobs.live import LiveJob
from app.jobs.memory import PictureMemory
from app.jobs.options import OptionsStore, OptionsView
from app.jobs.pictures import Pictures
from app.jobs.views import ENDED, JobError, JobPreview, JobState, JobView, PictureView
from app.jobs.worker import Worker
from app.metadata.styles import Style
from app.schema.errors import DarkroomError, EngineStopped, NotFound
from app.schema.params import GenerationParams
from app.schema.settings import ServerSettings

log = logging.getLogger(__name__)

Resolve = Callable[[GenerationParams], GenerationParams]
"""Fills in what only the server knows (the checkpoint's name from the catalogue); raises DarkroomError."""

MEMORY_BYTES = 512 * 1024 * 1024
"""What unsaved pictures may hold."""
NEW_SEEDS = 2**32
RESTARTED = JobError(code="restarted", message="The server was restarted before this job was done; start it again.", status=503)
INTERNAL = JobError(code="internal", message="Something went wrong inside while a picture was written; the log tells more.")


class Jobs:
    """All jobs of one data folder. Every method may be called from any thread.

    The engine's events change what is known at once; whatever touches the disk is done by one worker, in the engine's order, so a job
    is `done` only after its pictures are safely on the disk.
    """

    def __init__(
        self,
        settings: ServerSettings,
        engine: EngineClient,
        options: OptionsStore,
        *,
        resolve: Resolve,
        styles: Callable[[], Sequence[Style]] = tuple,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        with explained("the data folder"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            self._claim = claim(settings.data_dir / "darkroom.sqlite3.lock")
        self.options = options
        self.inputs = Inputs(settings.data_dir / "cache" / "inputs")
        self.outputs = Outputs(settings.outputs)
        self._engine, self._resolve = engine, resolve
        self._database = Database(settings.data_dir / "darkroom.sqlite3")
        self._pictures = Pictures(
            self.outputs, PictureMemory(memory_bytes), self._database, last_params=settings.data_dir / "params.txt", styles=styles
        )
        self._events = EventLog()
        self._lock = RLock()
        self._live: dict[str, LiveJob] = {}
        """Unended jobs, oldest first; also ended ones that the disk did not let us write down."""
        self._closed = False
        # Not while another process works on this folder: what is unended then is its own.
        if self._claim is not None and (lost := self._database.fail_unended(RESTARTED, time.time())):
            log.warning("%d jobs of the last run were not done", lost)
        self._worker = Worker("jobs")
        self._worker.put(self._clean)
        engine.start(self._on_event)

    def close(self) -> None:
        """Stops the engine, ends what was unfinished, writes down everything and closes the files."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._engine.close()
        self._worker.put(self._end_rest)
        self._worker.close()
        self._events.close()
        self._database.close()
        if self._claim is not None:
            self._claim.close()

    # asking for pictures

    def submit(
        self,
        params: GenerationParams,
        *,
        client: str,
        task_id: str | None = None,
        save: bool = True,
        options: OptionsView | None = None,
    ) -> str:
        """Accepts a job and returns its id; `options` is what the request sees (default: the options as they are now).

        Raises what `resolve` raises, NotFound for an input picture that is not stored, CannotSave, EngineStopped.
        """
        if self._closed:
            raise EngineStopped("The server is shutting down; no new job is taken.")
        params = self._resolve(params)
        drawn = {name: secrets.randbelow(NEW_SEEDS) for name in ("seed", "subseed") if getattr(params, name) < 0}
        params = params.model_copy(update=drawn)
        view = options or self.options.view()
        row = JobRow(
            id=uuid4().hex,
            client=client,
            task_id=task_id,
            params=params,
            save=save and view.switch("samples_save"),
            options=view.overrides,
            created=time.time(),
        )
        self._database.add_job(row)
        self._hand_over(row, view)
        return row.id

    def stop(self, job_id: str, how: Stop, *, client: str | None = None) -> None:
        """Stops a job after the current forward; one that has ended stays as it is. NotFound as `get`."""
        with self._lock:
            live = self._live.get(job_id)
            if live is None or client not in (None, live.row.client):
                self.get(job_id, client=client)
                return
            if live.ended is not None:
                return
            live.stopping = how
            handed_over = live.handed_over
        if handed_over:
            self._engine.stop_job(job_id, how)

    def stop_current(self, how: Stop, *, client: str | None = None) -> str | None:
        """A1111's interrupt and skip, which name no job: acts on the oldest running job, else on the oldest queued one.

        `client` narrows that to one client's jobs. The id of the job, or None if there was none.
        """
        with self._lock:
            mine = [job for job in self._live.values() if job.ended is None and client in (None, job.row.client)]
            oldest = next((job for job in mine if job.state == "running"), mine[0] if mine else None)
        if oldest is None:
            return None
        self.stop(oldest.row.id, how)
        return oldest.row.id

    # asking about jobs

    def get(self, job_id: str, *, client: str | None = None) -> JobView:
        """The job as it stands; NotFound for an unknown id and, where `client` is given, for another client's job."""
        with self._lock:
            live = self._live.get(job_id)
            view = self._view(live) if live else None
        view = view or self._database.job(job_id)
        if view is None or client not in (None, view.client):
            raise NotFound(f"There is no job {job_id[:40]!r}.")
        return view

    def list(self, client: str | None = None, states: Collection[JobState] | None = None, limit: int = 50) -> list[JobView]:
        """Jobs, newest first: one client's or all, in some states or any, at most `limit`."""
        with self._lock:
            live = {job.row.id: self._view(job) for job in self._live.values() if client in (None, job.row.client)}
        if states is None:
            stored = self._database.jobs(client=client, states=None, limit=limit)
            # A job that ended since the lock was left is newer in the database.
            return [view if view.is_over else live.get(view.id, view) for view in stored]
        stored = self._database.jobs(client=client, states=ENDED.intersection(states), limit=limit)
        found = {view.id: view for view in reversed(live.values()) if view.state in states} | {view.id: view for view in stored}
        return sorted(found.values(), key=lambda view: view.created, reverse=True)[:limit]

    def current(self, *, client: str | None = None) -> JobView | None:
        """The oldest running job, of one client or of all."""
        with self._lock:
            running = (job for job in self._live.values() if job.state == "running" and client in (None, job.row.client))
            return next((self._view(job) for job in running), None)

    def by_task(self, task_id: str) -> JobView | None:
        """The newest job that was submitted with this task id."""
        with self._lock:
            live = next((job for job in reversed(self._live.values()) if job.row.task_id == task_id), None)
            if live is not None:
                return self._view(live)
        return self._database.job_of_task(task_id)

    def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """The job once it has ended, or as it stands after the time."""
        with self._lock:
            live = self._live.get(job_id)
        if live is not None:
            concurrent.futures.wait([live.over], timeout_s)
        return self.get(job_id)

    async def wait_async(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """`wait` for asyncio; holds no thread while it waits."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the waiter's loop was closed under it
                loop.call_soon_threadsafe(over.set)

        with self._lock:
            live = self._live.get(job_id)
        if live is not None:
            live.over.add_done_callback(wake)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), timeout_s)
        return await asyncio.to_thread(self.get, job_id)

    def subscribe(self, client: str | None = None, after: int | None = None) -> Subscription:
        """The events of one client's jobs (None: of all), from now on or from the one after event number `after`."""
        return self._events.subscribe(client, after)

    # asking for pixels

    def picture(self, picture_id: str) -> PictureView:
        """A finished picture; NotFound for an unknown id."""
        with self._lock:
            views = (view for job in self._live.values() for view in job.pictures if view.id == picture_id)
            found = next(views, None)
        found = found or self._database.picture(picture_id)
        if found is None:
            raise NotFound(f"There is no picture {picture_id[:40]!r}.")
        return found

    def picture_bytes(self, picture_id: str) -> bytes:
        """The picture's file, infotext inside; NotFound also when the file was deleted, or an unsaved one dropped from memory."""
        return self._pictures.data(self.picture(picture_id))

    def preview(self, job_id: str, *, client: str | None = None) -> JobPreview | None:
        """The newest look at a running job's picture, encoded now unless somebody asked before; None while there is none."""
        with self._lock:
            live = self._live.get(job_id)
            if live is None or client not in (None, live.row.client):
                self.get(job_id, client=client)
                return None
            pixels, number, made = live.preview_pixels, live.preview_number, live.preview
            kind = live.options.text("live_previews_image_format")
        if pixels is None or (made is not None and made.number == number):
            return made if pixels is not None else None
        preview = _encode_preview(pixels, number, kind)
        with self._lock:
            if live.preview is None or live.preview.number < number:
                live.preview = preview
        return preview

    # the engine's side

    def _hand_over(self, row: JobRow, options: OptionsView) -> None:
        """Gives a job that is written down to the engine; the whole of what starting one again takes. Ends it if that fails."""
        live = LiveJob(row, options)
        with self._lock:
            self._live[row.id] = live
            position = self._view(live).position
            self._events.publish("job", row.id, row.client, {"state": "queued", "position": position, "task_id": row.task_id})
        try:
            images = tuple(self.inputs.load(name) for name in row.params.init_images)
            previews = options.switch("live_previews_enable") and options.number("show_progress_every_n_steps") > 0
            self._engine.submit(EngineJob(id=row.id, client=row.client, params=row.params, images=images, previews=previews))
        except Exception as error:
            if isinstance(error, DarkroomError):
                self._end(live, "failed", JobError(code=error.code, message=str(error), status=error.status))
            else:
                self._end(live, "failed", INTERNAL)
            raise
        with self._lock:
            live.handed_over = True
            stopping = live.stopping
        if stopping is not None:
            self._engine.stop_job(row.id, stopping)

    def _on_event(self, event: Event) -> None:
        """Called by the engine. Waits only when the worker has fallen behind by a whole line of tasks."""
        with self._lock:
            live = self._live.get(event.job)
            if live is None or live.ended is not None:
                return
            task = self._note(live, event)
        if task is not None:
            self._worker.put(task)

    def _note(self, live: LiveJob, event: Event) -> Callable[[], None] | None:
        """Takes the event into what is known (lock held); what is to be done about it on the disk."""
        row = live.row
        match event:
            case Started():
                live.state, live.started = "running", time.time()
                self._events.publish("job", row.id, row.client, {"state": "running", "loading": None})
                return partial(self._database.set_started, row.id, live.started)
            case Loading(checkpoint=name):
                live.loading = name
                live.pace.restart()
                self._events.publish("job", row.id, row.client, {"state": live.state, "loading": name})
            case Progress():
                live.progress, live.loading = event, None
                live.pace.mark(event)
                told = {name: getattr(event, name) for name in ("fraction", "step", "steps", "batch", "batches")}
                self._events.publish("progress", row.id, row.client, {**told, "eta_s": live.pace.eta_s()})
            case Preview(pixels=pixels):
                live.preview_pixels, live.preview_number = pixels, live.preview_number + 1
                self._events.publish("preview", row.id, row.client, {"number": live.preview_number})
            case PictureDone():
                to_disk = row.save and (not live.is_cut_short or live.options.switch("save_incomplete_images"))
                return partial(self._keep, live, event, to_disk)
            case Done(interrupted=interrupted):
                return partial(self._finish, live, interrupted)
            case Failed(message=message, code=code, status=status):
                return partial(self._end, live, "failed", JobError(code=code, message=message, status=status))
            case Cancelled():
                return partial(self._end, live, "cancelled", None)
        return None

    # the worker's side

    def _clean(self) -> None:
        if self._claim is not None:
            self.inputs.clean()
        if removed := self.outputs.clean():
            log.warning("%d half-written pictures of a former run were removed", removed)

    def _keep(self, live: LiveJob, event: PictureDone, to_disk: bool) -> None:
        """Saves a picture; if that fails the job is given up, and the picture stays in memory."""
        try:
            kept = self._pictures.keep(live.row, live.options, event, to_disk=to_disk, started=live.started)
            if to_disk and live.first_facts is None:
                live.first_facts = self._pictures.facts_of(live.row, live.options, event, live.started)
        except Exception:
            log.exception("picture %d of job %s was lost", event.index, live.row.id)
            self._give_up(live, INTERNAL)
            return
        with self._lock:
            live.pictures.append(kept.view)
            live.unrecorded |= not kept.recorded
            told = {name: value for name, value in asdict(kept.view).items() if name in ("id", "number", "seed", "width", "height")}
            self._events.publish("picture", live.row.id, live.row.client, told)
        if kept.problem is not None:
            self._give_up(live, JobError(code=kept.problem.code, message=str(kept.problem), status=kept.problem.status))

    def _finish(self, live: LiveJob, interrupted: bool) -> None:
        """Adds the grid to a job whose pictures are all there, then ends it; a grid that fails costs nobody the pictures."""
        if live.error is None and live.row.save and live.pictures:
            try:
                kept = self._pictures.keep_grid(live.row, live.options, live.pictures, live.first_facts)
            except (DarkroomError, OSError, ValueError):
                log.exception("job %s gets no grid", live.row.id)
                kept = None
            if kept is not None:
                with self._lock:
                    live.grid = kept.view
                    live.unrecorded |= not kept.recorded
        self._end(live, "done", None, interrupted)

    def _give_up(self, live: LiveJob, error: JobError) -> None:
        with self._lock:
            first, live.error = live.error is None, live.error or error
        if first:
            self._engine.stop_job(live.row.id, Stop.CANCEL)

    def _end(self, live: LiveJob, state: JobState, error: JobError | None, interrupted: bool = False) -> None:
        """The job's last change: on the disk first, then told to those who wait."""
        row = live.row
        with self._lock:
            if live.ended is not None:
                return
            live.error = error = live.error or error
            live.state, live.ended = "failed" if error else state, time.time()
            live.interrupted, live.loading = interrupted, None
            live.preview_pixels = live.preview = None
            state, ended = live.state, live.ended
        written = False
        try:
            self._database.end_job(row.id, state, ended, error=error, interrupted=interrupted)
            written = True
        except CannotSave as problem:
            log.error("the end of job %s could not be written down: %s", row.id, problem)
        with self._lock:
            if written and not live.unrecorded:
                del self._live[row.id]
            told = {"state": state, "interrupted": interrupted, "pictures": len(live.pictures)}
            self._events.publish("ended", row.id, row.client, {**told, "error": asdict(error) if error else None})
        live.over.set_result(None)

    def _end_rest(self) -> None:
        """Jobs that the engine left without an end."""
        with self._lock:
            rest = [live for live in self._live.values() if live.ended is None]
        for live in rest:
            message = "The engine was stopped before the job was done."
            self._end(live, "failed", JobError(code=EngineStopped.code, message=message, status=EngineStopped.status))

    def _view(self, live: LiveJob) -> JobView:
        """A snapshot of a live job; lock held."""
        if live.state != "queued":
            return live.view(None)
        ahead = [job for job in self._live.values() if job.state == "queued"]
        return live.view(ahead.index(live) + 1)


def _encode_preview(pixels: Pixels, number: int, kind: str) -> JobPreview:
    buffer = io.BytesIO()
    # Speed before size: a preview is looked at once.
    settings = {"compress_level": 1} if kind == "png" else {"quality": 80}
    Image.fromarray(pixels).save(buffer, kind, **settings)
    return JobPreview(number=number, data=buffer.getvalue(), media_type=f"image/{kind}")
