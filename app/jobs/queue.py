"""The jobs: accepted, written down, handed to the engine, followed to their end, found again."""

import asyncio
import concurrent.futures
import contextlib
import io
import logging
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from uuid import uuid4

from PIL import Image

from app.engine.client import EngineClient, Pixels, Stop
from app.jobs.database import Database, JobRow
from app.jobs.events import EventLog, Subscription
from app.jobs.files import Outputs, explained
from app.jobs.inputs import Inputs, not_stored
from app.jobs.line import EVERYBODY
from app.jobs.live import LiveJob
from app.jobs.memory import PictureMemory
from app.jobs.options import OptionsStore, OptionsView
from app.jobs.pictures import OnSaved, Pictures
from app.jobs.saved_extras import SavedExtras
from app.jobs.views import ENDED, JobPreview, JobState, JobView, PictureView, QueueCounts, RequestKey
from app.jobs.work import OnStarted, Work
from app.metadata.styles import Style
from app.schema.disk import claim
from app.schema.errors import EngineStopped, InvalidParams, NotFound, UnknownName
from app.schema.params import GenerationParams
from app.schema.scripts import ScriptCall
from app.schema.settings import ServerSettings
from app.scripts import Plan, ScriptTable, Setting

log = logging.getLogger(__name__)

Resolve = Callable[[GenerationParams], GenerationParams]
"""Fills in what only the server knows (the checkpoint's name from the catalogue); raises DarkroomError."""

MEMORY_BYTES = 512 * 1024 * 1024
"""What unsaved pictures may hold."""
NEW_SEEDS = 2**32


class Jobs:
    """All jobs of one data folder. Every method may be called from any thread."""

    def __init__(
        self,
        settings: ServerSettings,
        engine: EngineClient,
        options: OptionsStore,
        *,
        resolve: Resolve,
        styles: Callable[[], Sequence[Style]] = tuple,
        on_saved: OnSaved | None = None,
        on_started: OnStarted = lambda _: None,
        memory_bytes: int = MEMORY_BYTES,
        scripts: ScriptTable | None = None,
    ) -> None:
        with explained("the data folder"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            self._claim = claim(settings.data_dir / "darkroom.sqlite3.lock")
        self.options = options
        self.inputs = Inputs(settings.data_dir / "cache" / "inputs")
        self.outputs = Outputs(settings.outputs)
        self.extras = SavedExtras(self.outputs, on_saved)
        self.scripts = scripts or ScriptTable()
        self._resolve, self._styles, self._accepting = resolve, styles, Lock()
        self._database = Database(settings.data_dir / "darkroom.sqlite3")
        self._pictures = Pictures(
            self.outputs,
            PictureMemory(memory_bytes),
            self._database,
            last_params=settings.data_dir / "params.txt",
            styles=styles,
            on_saved=on_saved,
        )
        self._events = EventLog()
        self._engine = engine
        self._work = Work(engine, self._database, self._pictures, self.inputs, self._events, on_started)
        self._closed = False
        self._last_place = 0.0
        self._work.worker.put(self._clean)
        engine.start(self._work.on_event)
        # Not while another process works on this folder: what is unended then is its own.
        if self._claim is not None:
            self._work.take_over(self._database.unended(), options, self._planned_again)
            self._work.hand_over()

    def close(self) -> None:
        """Stops the engine, writes down everything and closes the files; what is unfinished goes on at the next start."""
        with self._accepting:
            if self._closed:
                return
            self._closed = True
        self._work.close()
        self._events.close()
        self._database.close()
        if self._claim is not None:
            self._claim.close()

    # asking for pictures

    def note_input(self, name: str, *, client: str) -> None:
        """Writes down that the client has sent this input picture, for `check_inputs`; CannotSave."""
        self._database.add_input(client, name)

    def check_inputs(self, names: Iterable[str], *, client: str | None) -> None:
        """NotFound for an input picture that is not stored and, where `client` is given, for one that the client neither sent nor
        has a job with. Empty names are passed over.
        """
        for name in filter(None, names):
            self.inputs.check(name)
            if client is not None and not self._database.has_input(client, name):
                raise not_stored(name)

    def prepared(self, params: GenerationParams) -> GenerationParams:
        """The params with what the server knows filled in, as `submit` takes them; nothing is queued.

        Raises what `resolve` raises, NotFound for an input picture that is not stored, InvalidParams for a size that it makes too large.
        """
        params = self._resolve(params)
        for name in (*params.init_images, *filter(None, (params.mask, params.latent_mask, params.colour_source))):
            self.inputs.check(name)
        if params.scale_by and params.mode == "img2img":
            params = params.scaled_to(*self.inputs.size(params.init_images[0]))
        return params

    def submit(
        self,
        params: GenerationParams,
        *,
        client: str,
        task_id: str | None = None,
        save: bool = True,
        options: OptionsView | None = None,
        request: RequestKey | None = None,
        script: ScriptCall | None = None,
        user: str = "",
    ) -> str:
        """Accepts a job and returns its id; `options` is what the request sees (default: the options as they are now).

        `user` is the name that its asker signed in with, for the names of its pictures.

        With a `script` the job's pictures are those that the script makes of the params.

        `request` names the request itself: if it was accepted before, that job's id is returned and nothing else is done.
        Raises what `prepared` raises, CannotSave, EngineStopped; InvalidParams when the request's key was used for another request.
        """
        if self._closed:
            raise EngineStopped("The server is shutting down; no new job is taken.")
        params = self.prepared(params)
        drawn = {name: secrets.randbelow(NEW_SEEDS) for name in ("seed", "subseed") if getattr(params, name) < 0}
        params = params.model_copy(update=drawn)
        view = options or self.options.view()
        save = save and view.switch("samples_save")
        if not save:  # a first pass's picture is a file or nothing; it need not be decoded
            params = params.model_copy(update={"save_images_before_highres_fix": False})
        if script is not None and not script.drawn:
            script = script.model_copy(update={"drawn": tuple(drawn)})
        plan = self._planned(params, view, script) if script is not None else None
        with self._accepting:
            if request is not None and (known := self._job_of(client, request)) is not None:
                return known
            now = time.time()
            # Later ones behind earlier ones, also when the clock is set back.
            self._last_place = max(now, self._last_place + 1e-6)
            row = JobRow(
                id=uuid4().hex,
                client=client,
                task_id=task_id,
                params=params,
                save=save,
                options=view.overrides,
                created=now,
                place=self._last_place,
                key=request.key if request else None,
                fingerprint=request.fingerprint if request else None,
                script=script,
                user=user,
            )
            self._database.add_job(row)
        self._work.add(LiveJob(row, view), plan)
        return row.id

    def _planned(self, params: GenerationParams, options: OptionsView, call: ScriptCall) -> Plan:
        """The plan of a script; InvalidParams and the like for what is wrong with its arguments."""
        script = self.scripts.find(call.name, params.mode)
        if script is None:
            raise UnknownName("script", call.name, [each.name for each in self.scripts.of(params.mode)])
        setting = Setting(params=params, options=options, resolve=self._resolve, styles=tuple(self._styles()), drawn=frozenset(call.drawn))
        return script.planned(setting, call.arguments)

    def _planned_again(self, row: JobRow, options: OptionsView) -> Plan:
        assert row.script is not None
        return self._planned(row.params, options, row.script)

    def _job_of(self, client: str, request: RequestKey) -> str | None:
        found = self._database.job_of_key(client, request.key)
        if found is not None and found[1] != request.fingerprint:
            raise InvalidParams("This Idempotency-Key came with another request before; give each request a key of its own.")
        return found[0] if found else None

    def again(self, job_id: str, *, client: str | None = None) -> str:
        """Makes a job once more, with the same settings and seeds; the new job's id. Raises as `get` and `submit`."""
        owner = self.get(job_id, client=client).client
        row = self._database.row(job_id)
        assert row is not None  # `get` has found it, and jobs are never deleted
        return self.submit(
            row.params, client=owner, save=row.save, options=self.options.override(row.options), script=row.script, user=row.user
        )

    def move(self, job_id: str, position: int, *, client: str | None = None) -> None:
        """Puts a waiting job at this position (from 1) among the client's waiting jobs; None: among all. NotFound as `get`.

        A job that the engine has already been given stays where it is.
        """
        live = self._find(job_id, client)
        if live is not None:
            self._work.move(live, position, client)

    def pause(self, client: str | None, paused: bool) -> None:
        """Holds back the waiting jobs of a client (None: all jobs), or lets them go on; what runs, runs on. Survives a restart."""
        self._work.pause(client or EVERYBODY, paused)

    def is_paused(self, client: str | None) -> bool:
        """Whether this client's waiting jobs (None: everybody's) are held back."""
        return bool({client or EVERYBODY, EVERYBODY} & self._work.paused)

    def stop(self, job_id: str, how: Stop, *, client: str | None = None) -> None:
        """Stops a job after the current forward; one that has ended stays as it is. NotFound as `get`."""
        live = self._find(job_id, client)
        if live is not None:
            self._work.stop(live, how)

    def stop_current(self, how: Stop, *, client: str | None = None) -> str | None:
        """A1111's interrupt and skip, which name no job: acts on the oldest running job, else on the oldest queued one.

        `client` narrows that to one client's jobs. The id of the job, or None if there was none.
        """
        with self._work.lock:
            mine = [job for job in self._work.visible if job.ended is None and client in (None, job.row.client)]
            oldest = next((job for job in mine if job.state == "running"), mine[0] if mine else None)
        if oldest is None:
            return None
        self.stop(oldest.row.id, how)
        return oldest.row.id

    # asking about jobs

    def get(self, job_id: str, *, client: str | None = None) -> JobView:
        """The job as it stands; NotFound for an unknown id and, where `client` is given, for another client's job."""
        with self._work.lock:
            live = self._work.live.get(job_id)
            view = self._view(live) if live and live.parent is None else None
        view = view or self._database.job(job_id)
        if view is None or client not in (None, view.client):
            raise NotFound(f"There is no job {job_id[:40]!r}.")
        return view

    def list(self, client: str | None = None, states: Collection[JobState] | None = None, limit: int = 50) -> list[JobView]:
        """Jobs, newest first: one client's or all, in some states or any, at most `limit`."""
        with self._work.lock:
            live = {view.id: view for view in self._views(client)}
        if states is None:
            stored = self._database.jobs(client=client, states=None, limit=limit)
            # A job that ended since the lock was left is newer in the database.
            return [view if view.is_over else live.get(view.id, view) for view in stored]
        stored = self._database.jobs(client=client, states=ENDED.intersection(states), limit=limit)
        found = {view.id: view for view in reversed(live.values()) if view.state in states} | {view.id: view for view in stored}
        return sorted(found.values(), key=lambda view: view.created, reverse=True)[:limit]

    def current(self, *, client: str | None = None) -> JobView | None:
        """The oldest running job, of one client or of all."""
        with self._work.lock:
            running = (job for job in self._work.visible if job.state == "running" and client in (None, job.row.client))
            return next((self._view(job) for job in running), None)

    def by_task(self, task_id: str, *, client: str | None = None) -> JobView | None:
        """The newest job that was submitted with this task id, by one client or by anybody; else the job that has it as its id."""
        with self._work.lock:
            named = (job for job in reversed(self._work.visible) if client in (None, job.client))
            live = next((job for job in named if task_id in (job.row.task_id, job.row.id)), None)
            if live is not None:
                return self._view(live)
        found = self._database.job_of_task(task_id, client) or self._database.job(task_id)
        return found if found is not None and client in (None, found.client) else None

    def counts(self) -> QueueCounts:
        """What is waiting, running and done."""
        with self._work.lock:
            states = Counter(job.state for job in self._work.visible if job.ended is None)
            figures = self._work.figures
            return QueueCounts(
                queued=states["queued"],
                running=states["running"],
                ended=dict(figures.ends),
                pictures=figures.pictures,
                pictures_a_minute=figures.pictures_a_minute(),
            )

    def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """The job once it has ended, or as it stands after the time."""
        with self._work.lock:
            live = self._work.live.get(job_id)
        if live is not None:
            concurrent.futures.wait([live.over], timeout_s)
        return self.get(job_id)

    async def wait_async(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """`wait` for asyncio; holds no thread while it waits."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the waiter's loop was closed under it
                loop.call_soon_threadsafe(over.set)

        with self._work.lock:
            live = self._work.live.get(job_id)
        if live is not None:
            live.over.add_done_callback(wake)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), timeout_s)
        stopped = EngineStopped("The engine was stopped before the job was done.")
        try:
            view = await asyncio.to_thread(self.get, job_id)
        except sqlite3.ProgrammingError as error:  # the books were closed while it waited
            raise stopped from error
        if self._closed and not view.is_over:
            raise stopped
        return view

    def subscribe(self, client: str | None = None, after: int | None = None) -> Subscription:
        """The events of one client's jobs (None: of all), from now on or from the one after event number `after`."""
        return self._events.subscribe(client, after)

    def announce_models(self, news: Mapping[str, object]) -> None:
        """Tells every reader of events that the collection of model files has changed."""
        self._events.publish("models", "", EVERYBODY, dict(news))

    # asking for pixels

    def picture(self, picture_id: str) -> PictureView:
        """A finished picture; NotFound for an unknown id."""
        with self._work.lock:
            views = (view for job in self._work.visible for view in (*job.grids, *job.pictures) if view.id == picture_id)
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
        with self._work.lock:
            live = self._work.live.get(job_id)
            if live is None or client not in (None, live.row.client):
                self.get(job_id, client=client)
                return None
            pixels, number, made = live.preview_pixels, live.preview_number, live.preview
            kind = live.options.text("live_previews_image_format")
        if pixels is None or (made is not None and made.number == number):
            return made if pixels is not None else None
        preview = _encode_preview(pixels, number, kind)
        with self._work.lock:
            if live.preview is None or live.preview.number < number:
                live.preview = preview
        return preview

    # inside

    def _clean(self) -> None:
        if self._claim is not None:
            self.inputs.clean()
        if removed := self.outputs.clean():
            log.warning("%d half-written pictures of a former run were removed", removed)

    def _find(self, job_id: str, client: str | None) -> LiveJob | None:
        """The unended job; None if it has ended. NotFound as `get`."""
        with self._work.lock:
            live = self._work.live.get(job_id)
            if live is not None and live.parent is None and live.ended is None and client in (None, live.row.client):
                return live
        self.get(job_id, client=client)
        return None

    def _views(self, client: str | None = None) -> tuple[JobView, ...]:
        """Snapshots of the unended jobs; lock held."""
        positions = self._work.positions()
        ahead, etas = 0.0, dict[str, float | None]()
        for live in sorted(self._work.visible, key=lambda job: positions.get(job.row.id, 0)):
            ahead += live.work_left if live.ended is None else 0.0
            etas[live.row.id] = self._work.figures.seconds_for(ahead) if live.state == "queued" else None
        mine = [live for live in self._work.visible if client in (None, live.row.client)]
        views = [live.view(positions.get(live.row.id), etas[live.row.id]) for live in mine]
        return tuple(replace(view, held=view.state == "queued" and self.is_paused(view.client)) for view in views)

    def _view(self, live: LiveJob) -> JobView:
        """A snapshot of one unended job; lock held."""
        return next(view for view in self._views(live.row.client) if view.id == live.row.id)


def _encode_preview(pixels: Pixels, number: int, kind: str) -> JobPreview:
    buffer = io.BytesIO()
    # Speed before size: a preview is looked at once.
    settings = {"compress_level": 1} if kind == "png" else {"quality": 80}
    Image.fromarray(pixels).save(buffer, kind, **settings)
    return JobPreview(number=number, data=buffer.getvalue(), media_type=f"image/{kind}")
