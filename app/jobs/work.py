"""Jobs between acceptance and end: in line, with the engine, their pictures kept; and in line again after a crash."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from threading import RLock

from app.engine.client import (
    Cancelled,
    Done,
    EngineClient,
    EngineJob,
    Event,
    Failed,
    Loading,
    Lost,
    PictureDone,
    Preview,
    Progress,
    Remarked,
    Started,
    Stop,
)
from app.jobs.database import Database, JobRow, Unended
from app.jobs.events import EventLog
from app.jobs.figures import Figures
from app.jobs.inputs import Inputs
from app.jobs.line import capacity_of, moved, next_in_line
from app.jobs.live import LiveJob
from app.jobs.options import OptionsStore, OptionsView
from app.jobs.pictures import Kept, Pictures
from app.jobs.script_runs import ScriptRuns, shared_out
from app.jobs.views import JobError, JobState, Sorted, together
from app.jobs.worker import Worker
from app.schema.disk import CannotSave
from app.schema.errors import DarkroomError, EngineStopped
from app.schema.params import GenerationParams
from app.schema.scripts import GRID
from app.scripts import Plan

log = logging.getLogger(__name__)

MAX_CRASHES = 2
"""A job that was running at so many deaths of the engine or the server is not tried again: else it would take the server down for ever."""
INTERNAL = JobError(code="internal", message="Something went wrong inside while a picture was written; the log tells more.")
SHUTTING_DOWN = "The server is being restarted; the job goes on when it is back."
SERVER_DIED = "the server ended without a word, as after a power cut or a crash"

OnStarted = Callable[[GenerationParams], None]
"""Told of every job that the engine begins, those of scripts too. Short, and may not fail."""


class Work:
    """The unended jobs. What the engine says changes what is known at once; whatever touches the disk is done by one worker, in the
    engine's order, so a job is `done` only after its pictures are safely on the disk.
    """

    def __init__(
        self, engine: EngineClient, database: Database, pictures: Pictures, inputs: Inputs, events: EventLog, on_started: OnStarted
    ) -> None:
        self._on_started = on_started
        self._engine, self._database, self._pictures, self.inputs, self._events = engine, database, pictures, inputs, events
        self.lock = RLock()
        self.live: dict[str, LiveJob] = {}
        """Unended jobs, in the order in which they came; also ended ones that the disk did not let us write down. Guarded by `lock`."""
        self.worker = Worker("jobs")
        self.figures = Figures()
        self.paused = database.paused()
        """Clients whose jobs are held back; replaced as a whole."""
        self.closing = False
        self.numbered = 0
        """Jobs of scripts that there have been."""
        self.scripts = ScriptRuns(self, pictures)

    @property
    def visible(self) -> list[LiveJob]:
        """The live jobs that somebody asked for: not those of scripts; lock held."""
        return [job for job in self.live.values() if job.parent is None]

    # the line

    def take_over(self, unended: Iterable[Unended], options: OptionsStore, plan: Callable[[JobRow, OptionsView], Plan]) -> None:
        """Puts what a former run left into the line again, with the pictures that it has; the engine must have been started.

        `plan` makes a script's plan anew.
        """
        for left in unended:
            kept = [picture for picture in left.pictures if not self._pictures.lost(picture)]
            for picture in left.pictures:
                if picture not in kept:
                    self._database.remove_picture(picture.id)
            live = LiveJob(left.row, _view(options, left))
            found = Sorted.of(kept)
            live.pictures, live.beside = list(found.results), list(found.beside)
            live.grids = [*((found.grid,) if found.grid else ()), *found.further_grids]
            live.numbers = {picture.number for picture in (kept if left.row.script else live.pictures)}
            with self.lock:
                self.live[left.row.id] = live
            live.claimed = True  # not handed over before it is in order again
            self._line_up_again(live, SERVER_DIED if left.was_running else None, left.crashes + left.was_running)
            if left.row.script is not None and live.ended is None:
                self._plan_again(live, plan)

    def _plan_again(self, live: LiveJob, plan: Callable[[JobRow, OptionsView], Plan]) -> None:
        try:
            self.scripts.begin(live, plan(live.row, live.options))
        except DarkroomError as error:  # what it needs has gone meanwhile
            self.end(live, "failed", JobError(code=error.code, message=str(error), status=error.status))

    def add(self, live: LiveJob, plan: Plan | None = None) -> None:
        """Takes a job that is written down into the line, or begins its script.

        Raises what kept it from the engine if it was handed over at once.
        """
        with self.lock:
            self.live[live.row.id] = live
            told = {"state": "queued", "position": self.positions()[live.row.id], "task_id": live.row.task_id}
            self._events.publish("job", live.row.id, live.row.client, told)
            if plan is not None:
                self.scripts.begin(live, plan)
        self.hand_over(live)

    def positions(self) -> dict[str, int]:
        """Place of each queued job, from 1; lock held."""
        queued = sorted((job for job in self.visible if job.state == "queued"), key=lambda job: (not job.claimed, job.place))
        return {job.row.id: number for number, job in enumerate(queued, 1)}

    def move(self, live: LiveJob, position: int, client: str | None) -> None:
        """Puts a waiting job at this position among the client's waiting jobs (None: among all)."""
        with self.lock:
            line = [job for job in self.visible if job.waits and client in (None, job.client)]
            if live not in line:
                return
            places = moved(line, live, position)
            self._database.set_places({job.row.id: place for job, place in places})
            for job, place in places:
                job.row = replace(job.row, place=place)
            positions = self.positions()
            for job, _ in places:
                told = {"state": "queued", "position": positions[job.row.id]}
                self._events.publish("job", job.row.id, job.client, told)

    def pause(self, client: str, paused: bool) -> None:
        """Holds back the waiting jobs of a client (or of everybody), or lets them go on."""
        self._database.set_paused(client, paused)
        with self.lock:
            self.paused = self.paused | {client} if paused else self.paused - {client}
        self.hand_over()

    def stop(self, live: LiveJob, how: Stop) -> None:
        """Stops a job, wherever it is."""
        if live.run is not None:
            self.scripts.stop(live, how)
            return
        if self.drop(live, how):
            return
        with self.lock:
            live.stopping = how
            handed_over = live.handed_over
        if handed_over:
            self._engine.stop_job(live.row.id, how)

    def drop(self, live: LiveJob, how: Stop) -> bool:
        """Ends a job that is still in the line as somebody asked; False if the engine has it."""
        with self.lock:
            if not live.waits:
                return False
            if how is Stop.SKIP:
                return True
            live.claimed = True
        self.worker.put(partial(self.over, live, "cancelled" if how is Stop.CANCEL else "done", None, how is Stop.INTERRUPT))
        return True

    def hand_over(self, mine: LiveJob | None = None) -> None:
        """Gives the engine what it has room for. A job that it refuses has failed; raises the reason if it is `mine`."""
        refused = None
        while (live := self._claim()) is not None:
            try:
                self._give(live)
            except Exception as error:  # noqa: BLE001 - told with the job, and to whoever has just submitted it
                refused = error if live is mine else refused
        if refused is not None:
            raise refused

    def _claim(self) -> LiveJob | None:
        capacity = capacity_of(self._engine.status().device)
        with self.lock:
            if self.closing:
                return None
            unended = [job for job in self.live.values() if job.ended is None and job.row.script is None]
            waiting, working = [job for job in unended if job.waits], [job for job in unended if job.claimed]
            live = next_in_line(waiting, working, capacity, self.paused)
            if live is not None:
                live.claimed = True
                if live.parent is not None:
                    live.parent.claimed = True
            return live

    def _give(self, live: LiveJob) -> None:
        row = live.row
        try:
            images = tuple(self.inputs.stored(name) for name in row.params.init_images)
            mask = self.inputs.stored(row.params.mask) if row.params.mask else None
            previews = live.options.switch("live_previews_enable") and live.options.number("show_progress_every_n_steps") > 0
            latent_mask = self.inputs.stored(row.params.latent_mask) if row.params.latent_mask else None
            colours = self.inputs.stored(row.params.colour_source) if row.params.colour_source else None
            self._engine.submit(
                EngineJob(
                    id=row.id,
                    client=row.client,
                    params=row.params,
                    images=images,
                    mask=mask,
                    latent_mask=latent_mask,
                    colours=colours,
                    previews=previews,
                )
            )
        except Exception as error:
            if isinstance(error, DarkroomError):
                self.end(live, "failed", JobError(code=error.code, message=str(error), status=error.status))
            else:
                self.end(live, "failed", INTERNAL)
            raise
        with self.lock:
            live.handed_over = True
            stopping = live.stopping
        if stopping is not None:
            self._engine.stop_job(row.id, stopping)

    # what the engine says

    def on_event(self, event: Event) -> None:
        """Called by the engine. Waits only when the worker has fallen behind by a whole line of tasks."""
        with self.lock:
            live = self.live.get(event.job)
            if live is None or live.ended is not None:
                return
            task = self._note(live, event)
        if task is not None:
            self.worker.put(task)

    def _note(self, live: LiveJob, event: Event) -> Callable[[], None] | None:
        """Takes the event into what is known (lock held); what is to be done about it on the disk."""
        row, told_of = live.row, live.parent or live
        match event:
            case Started():
                live.state = "running"
                self._on_started(row.params)
                return self._started(told_of)
            case Loading(checkpoint=name):
                told_of.loading = name
                told_of.pace.restart()
                self._events.publish("job", told_of.row.id, row.client, {"state": told_of.state, "loading": name})
            case Progress():
                self.figures.progressed(live.weight * event.steps * event.batches * (event.fraction - live.fraction))
                live.progress = event
                if live.parent is None:
                    self.tell_progress(live, event)
                else:
                    self.scripts.progressed(live)
            case Preview(pixels=pixels):
                if live.parent is None or self.scripts.is_first(live):
                    told_of.preview_pixels, told_of.preview_number = pixels, told_of.preview_number + 1
                    self._events.publish("preview", told_of.row.id, row.client, {"number": told_of.preview_number})
            case Remarked(text=text):
                self._events.publish("note", told_of.row.id, row.client, {"text": text})
            case PictureDone(first_pass=True):
                return partial(self._save_first_pass, live, event) if row.save and event.index not in live.numbers else None
            case PictureDone() if live.parent is not None:
                return self.scripts.picture(live, event)
            case PictureDone():
                if event.index in live.numbers:
                    return None  # kept before the engine or the server died
                live.numbers.add(event.index)
                to_disk = row.save and (not live.is_cut_short or live.options.switch("save_incomplete_images"))
                return partial(self._keep, live, event, to_disk)
            case Done(interrupted=interrupted):
                live.seconds |= event.seconds
                return partial(self._finish, live, interrupted)
            case Failed(code=EngineStopped.code) if self.closing:
                return partial(self._suspend, live)
            case Failed(message=message, code=code, status=status):
                return partial(self.over, live, "failed", JobError(code=code, message=message, status=status))
            case Cancelled():
                return partial(self.over, live, "cancelled")
            case Lost():
                return partial(self._lost, live, event)
        return None

    def _started(self, live: LiveJob) -> Callable[[], None] | None:
        if live.state == "running" and live.started is not None and live.row.script is not None:
            return None  # by another job of the script
        live.state, live.started = "running", time.time()
        live.seconds["queue"] = live.started - live.row.created
        self._events.publish("job", live.row.id, live.row.client, {"state": "running", "loading": None})
        return partial(self._database.set_started, live.row.id, live.started)

    def tell_progress(self, live: LiveJob, progress: Progress) -> None:
        """Takes a job's progress into what is known, and tells it; lock held."""
        live.progress, live.loading = progress, None
        live.pace.mark(progress)
        told = {name: getattr(progress, name) for name in ("fraction", "step", "steps", "batch", "batches")}
        self._events.publish("progress", live.row.id, live.row.client, {**told, "eta_s": live.pace.eta_s()})

    # the worker's side

    def _keep(self, live: LiveJob, event: PictureDone, to_disk: bool) -> None:
        """Saves a picture; if that fails the job is given up, and the picture stays in memory."""
        begun = time.perf_counter()
        try:
            kept = self._pictures.keep(live.row, live.options, event, to_disk=to_disk, started=live.started)
            beside = self._pictures.keep_beside(live.row, live.options, event, to_disk=to_disk, started=live.started)
            if to_disk and live.first_facts is None:
                live.first_facts = self._pictures.facts_of(live.row, live.options, event, live.started)
        except Exception:
            log.exception("picture %d of job %s was lost", event.index, live.row.id)
            self.give_up(live, INTERNAL)
            return
        with self.lock:
            live.seconds["save"] = live.seconds.get("save", 0.0) + time.perf_counter() - begun
        self.kept(live, kept, beside)

    def kept(self, live: LiveJob, kept: Kept, beside: Sequence[Kept] = ()) -> None:
        """A picture or a script's grid can be asked for now; what kept it from the disk ends the job."""
        with self.lock:
            (live.pictures if kept.view.number > GRID else live.grids).append(kept.view)
            live.beside += [one.view for one in beside]
            live.unrecorded |= not all(one.recorded for one in (kept, *beside))
            self.figures.picture_made()
            told = {name: value for name, value in asdict(kept.view).items() if name in ("id", "number", "seed", "width", "height")}
            self._events.publish("picture", live.row.id, live.row.client, told)
        problem = next((one.problem for one in (kept, *beside) if one.problem is not None), None)
        if problem is not None:
            self.give_up(live, JobError(code=problem.code, message=str(problem), status=problem.status))

    def _save_first_pass(self, live: LiveJob, event: PictureDone) -> None:
        try:
            self._pictures.save_first_pass(live.row, live.options, event, live.started)
        except CannotSave as problem:
            self.give_up(live, JobError(code=problem.code, message=str(problem), status=problem.status))
        except Exception:
            log.exception("the first pass of picture %d of job %s was lost", event.index, live.row.id)
            self.give_up(live, INTERNAL)

    def give_up(self, live: LiveJob, error: JobError) -> None:
        """Stops a job, or a script, that has failed on our side; it ends with its first error."""
        with self.lock:
            first, live.error = live.error is None, live.error or error
        if first and live.run is not None:
            self.stop(live, Stop.CANCEL)
        elif first:
            self._engine.stop_job(live.row.id, Stop.CANCEL)

    def _finish(self, live: LiveJob, interrupted: bool = False) -> None:
        """Adds the grid to a job whose pictures are all there, then ends it; a grid that fails costs nobody the pictures."""
        if live.parent is None and live.error is None and live.row.save and live.pictures and not live.grids:
            try:
                kept = self._pictures.keep_grid(live.row, live.options, together(live.pictures, live.beside), live.first_facts)
            except (DarkroomError, OSError, ValueError):
                log.exception("job %s gets no grid", live.row.id)
                kept = None
            if kept is not None:
                with self.lock:
                    live.grids.append(kept.view)
                    live.unrecorded |= not kept.recorded
        self.over(live, "done", None, interrupted)

    def over(self, live: LiveJob, state: JobState, error: JobError | None = None, interrupted: bool = False) -> None:
        """Ends a job; the next in line gets its room."""
        self.end(live, state, error, interrupted)
        self.hand_over()

    def end(self, live: LiveJob, state: JobState, error: JobError | None = None, interrupted: bool = False) -> None:
        """The job's last change: on the disk first, then told to those who wait."""
        row = live.row
        if live.parent is not None:
            self._end_part(live, state, error)
            return
        with self.lock:
            if live.ended is not None:
                return
            live.error = error = live.error or error
            live.state, live.ended = "failed" if error else state, time.time()
            live.interrupted, live.loading = interrupted, None
            live.preview_pixels = live.preview = None
            if live.row.script is not None and live.started is not None:
                live.seconds = shared_out(live.seconds, live.ended - live.started)
            state, ended, seconds = live.state, live.ended, dict(live.seconds)
            self.figures.ended(state)
        try:
            write = partial(
                self._database.end_job, row.id, state, ended, error=error, interrupted=interrupted, seconds=seconds, outcome=live.outcome
            )
            written = self._written(live, write)
            with self.lock:
                if written and not live.unrecorded:
                    del self.live[row.id]
                told = {"state": state, "interrupted": interrupted, "pictures": len(live.pictures)}
                self._events.publish("ended", row.id, row.client, {**told, "error": asdict(error) if error else None})
        finally:
            live.over.set_result(None)

    def _end_part(self, live: LiveJob, state: JobState, error: JobError | None) -> None:
        """A job of a script is over: the script alone is told."""
        with self.lock:
            if live.ended is not None:
                return
            error = error or live.error
            live.state, live.ended = "failed" if error else state, time.time()
            self.live.pop(live.row.id, None)
            assert live.parent is not None
            for phase, seconds in live.seconds.items():
                live.parent.seconds[phase] = live.parent.seconds.get(phase, 0.0) + seconds
        self.scripts.child_ended(live, error)
        live.over.set_result(None)

    def _written(self, live: LiveJob, write: Callable[[], None]) -> bool:
        """Whether the disk took a change of a job; where it did not, memory alone has it, and those who wait are told from there."""
        try:
            write()
        except (DarkroomError, sqlite3.Error) as problem:
            log.error("the change of job %s to %s could not be written down: %s", live.row.id, live.state, problem)
            return False
        return True

    # crashes and the close

    def _lost(self, live: LiveJob, event: Lost) -> None:
        with self.lock:
            stopping, given_up = live.stopping, live.error
            reason = event.reason if event.was_running else None
        if given_up is not None:
            self.over(live, "failed")
        elif stopping in (Stop.CANCEL, Stop.INTERRUPT):
            self.over(live, "cancelled" if stopping is Stop.CANCEL else "done", None, stopping is Stop.INTERRUPT)
        else:
            self._line_up_again(live, reason, live.crashes + event.was_running)
            self.hand_over()

    def _line_up_again(self, live: LiveJob, died_of: str | None, crashes: int) -> None:
        """A job that somebody's death has thrown back: into the line, or at its end."""
        params = live.row.params
        if crashes >= MAX_CRASHES and died_of is not None:
            why = f"This job was running at {crashes} crashes in a row and is not tried again. The last one: {died_of}."
            self.end(live, "failed", JobError(code="crashed", message=why))
            return
        if live.row.script is None and len(live.numbers) >= params.batch_size * params.n_iter:
            self._finish(live)
            return
        if live.parent is not None:
            with self.lock:
                live.crashes = crashes
                live.line_up_again(None)
                live.parent.again = f"A part of the job begins anew: {died_of}." if died_of else live.parent.again
            return
        self._written(live, partial(self._database.set_queued, live.row.id, crashes))
        with self.lock:
            live.crashes = crashes
            live.line_up_again(f"The job begins anew: {died_of}." if died_of else live.again)
            told = {"state": "queued", "position": self.positions()[live.row.id], "again": live.again}
            self._events.publish("job", live.row.id, live.row.client, told)

    def close(self) -> None:
        """Ends the engine. What is unfinished stays queued in the database, for the next start."""
        with self.lock:
            self.closing = True
        self._engine.close()
        self.scripts.close()
        self.worker.put(self._suspend_rest)
        self.worker.close()

    def _suspend_rest(self) -> None:
        with self.lock:
            rest = [live for live in self.live.values() if live.ended is None and not live.over.done()]
        for live in rest:
            self._suspend(live)

    def _suspend(self, live: LiveJob) -> None:
        if live.parent is not None:
            return
        self._written(live, partial(self._database.set_queued, live.row.id, live.crashes))
        with self.lock:
            live.line_up_again(SHUTTING_DOWN)
            told: dict[str, object] = {"state": "queued", "position": None, "again": live.again}
            self._events.publish("job", live.row.id, live.row.client, told)
        live.over.set_result(None)


def _view(options: OptionsStore, left: Unended) -> OptionsView:
    """The options as the job saw them, as far as they are still allowed."""
    try:
        return options.override(left.row.options)
    except DarkroomError as error:
        log.warning("job %s goes on without options of its own: %s", left.row.id, error)
        return options.view()
