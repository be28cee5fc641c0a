"""Scripts at work: each is one job to everybody else, and hands the engine jobs of its own, which live in memory alone."""

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from threading import RLock
from typing import Any, Protocol

import numpy as np
from PIL import Image

from app.engine.client import PictureDone, Pixels, Progress, Stop
from app.jobs.database import JobRow
from app.jobs.inputs import Inputs
from app.jobs.live import LiveJob, Made, ScriptRun
from app.jobs.pictures import Kept, Pictures, infotext_of
from app.jobs.views import JobError, JobState, PictureView
from app.jobs.worker import Worker
from app.schema.errors import DarkroomError
from app.scripts import Draw, Open, Outcome, Plan, Show, Step, Store, Task, check_tasks

log = logging.getLogger(__name__)

IN_LINE = 64
"""Most jobs of one script that are in line or at work at once; the others wait with it, so that the line stays short."""
MANY = 100_000
INTERNAL = JobError(code="internal", message="Something went wrong inside while a script ran; the log tells more.")


def shared_out(seconds: Mapping[str, float], wall_s: float) -> dict[str, float]:
    """Seconds by phase, added up over a script's jobs, brought down to the time that has passed: jobs in company all saw the same time."""
    together = {phase: spent for phase, spent in seconds.items() if phase != "queue"}
    share = min(1.0, wall_s / max(sum(together.values()), 1e-9))
    return {**seconds, **{phase: spent * share for phase, spent in together.items()}}


class Workshop(Protocol):
    """What a script asks of those who have jobs drawn (`Work`)."""

    lock: RLock
    live: dict[str, LiveJob]
    closing: bool
    numbered: int
    inputs: Inputs

    def hand_over(self) -> None:
        """Gives the engine what it has room for."""

    def stop(self, live: LiveJob, how: Stop) -> None:
        """Stops a job, wherever it is."""

    def tell_progress(self, live: LiveJob, progress: Progress) -> None:
        """Tells a job's progress."""

    def kept(self, live: LiveJob, kept: Kept, beside: Sequence[Kept] = ()) -> None:
        """A picture (with what is shown beside it) or a grid can be asked for now."""

    def give_up(self, live: LiveJob, error: JobError) -> None:
        """Stops a script that has failed on our side."""

    def over(self, live: LiveJob, state: JobState, error: JobError | None = None, interrupted: bool = False) -> None:
        """Ends a job."""


class ScriptRuns:
    """The scripts that have not ended."""

    def __init__(self, work: Workshop, pictures: Pictures) -> None:
        self._work, self._pictures = work, pictures
        self._worker = Worker("scripts", MANY)

    def close(self) -> None:
        """Ends after the step that is being done; every script is run anew at the next start."""
        self._worker.close()

    def begin(self, job: LiveJob, plan: Plan) -> None:
        """Starts a script, or starts it anew: what it had shown, it does not make again."""
        kept = {picture.number: picture for picture in job.pictures}
        with self._work.lock:
            run = job.run = ScriptRun(job, plan, plan.tasks, kept=kept)
        self._worker.put(partial(self._go_on, run, None))

    def stop(self, job: LiveJob, how: Stop) -> None:
        """Stops a script's jobs; a skip only the one that is drawn now."""
        run = job.run
        with self._work.lock:
            if run is None or job.ended is not None:
                return
            children = [child for _, _, child in run.active.values()]
            if how is Stop.SKIP:
                children = [child for child in children if child.state == "running"][:1]
                run.skipped |= bool(children)
            else:
                job.stopping = how
                run.waiting.clear()
        for child in children:
            self._work.stop(child, how)
        if how is not Stop.SKIP:
            self._worker.put(partial(self._end_if_idle, run))

    # the steps

    def _go_on(self, run: ScriptRun, answer: Any) -> None:
        """Does the script's steps until one has to wait for the engine."""
        try:
            while not run.is_given_up and not self._work.closing:
                try:
                    step = run.plan.steps.send(answer)
                except StopIteration as end:
                    self._end(run, "done", outcome=end.value)
                    return
                if isinstance(step, Draw):
                    self._draw(run, step)
                    break
                answer = self._done(run, step)
        except DarkroomError as error:
            self._end(run, "failed", JobError(code=error.code, message=str(error), status=error.status))
        except Exception:
            log.exception("the script of job %s failed", run.job.row.id)
            self._end(run, "failed", INTERNAL)
        else:
            self._end_if_idle(run)

    def _done(self, run: ScriptRun, step: Step) -> object:
        match step:
            case Open(name=name):
                return Image.fromarray(self._work.inputs.load(name))
            case Store(image=image):
                buffer = io.BytesIO()
                image.save(buffer, "PNG", compress_level=1)
                store = self._work.inputs.add_mask if image.mode == "L" else self._work.inputs.add
                return store(buffer.getvalue())
            case Show():
                self._show(run, step)
        return None

    def _draw(self, run: ScriptRun, step: Draw) -> None:
        check_tasks(max(len(step.tasks), step.of or 0))
        with self._work.lock:
            if run.is_given_up:  # while the plan was thinking
                return
            run.total = step.of or run.total
            run.size, run.made = len(step.tasks), {}
            for place, task in enumerate(step.tasks):
                known = list(self._known(run, task))
                if len(known) == task.params.pictures:
                    run.made[place] = dict(enumerate(known))
                    run.done += 1
                else:
                    run.waiting.append((place, task))
        if not self._feed(run):
            self._worker.put(partial(self._answered, run))

    def _known(self, run: ScriptRun, task: Task) -> Iterator[Made]:
        """Pictures of the task that a former run of the server has saved, as far as they serve the script like what was drawn."""
        if task.shown is None:
            return
        row = self._row(run, task)
        for number in range(task.shown, task.shown + task.params.pictures):
            view = run.kept.get(number)
            if view is None or not run.has_pixels(view) or self._pictures.lost(view):
                return
            yield Made(view.seed, view.infotext, row, partial(self._decoded, view))

    def _row(self, run: ScriptRun, task: Task) -> JobRow:
        return replace(run.job.row, params=task.params, script=None)

    def _feed(self, run: ScriptRun) -> bool:
        """Puts as many of the waiting jobs into the line as there is room for; False if the step has none left."""
        with self._work.lock:
            if run.is_given_up:
                run.waiting.clear()
            for place, task in list(islice(run.waiting, max(0, IN_LINE - len(run.active)))):
                run.waiting.popleft()
                self._work.numbered += 1
                row = replace(self._row(run, task), id=f"{run.job.row.id}-{self._work.numbered}")
                child = LiveJob(row, run.job.options, parent=run.job, crashes=run.job.crashes)
                run.active[child.row.id] = place, task, child
                self._work.live[child.row.id] = child
            left = bool(run.active)
        if left:
            self._work.hand_over()
        return left

    def _answered(self, run: ScriptRun) -> None:
        """The step's jobs have ended: the script goes on with their pictures."""
        with self._work.lock:
            drawn = tuple(tuple(made for _, made in sorted(run.made.get(place, {}).items())) for place in range(run.size))
        if run.stopping is None and not all(drawn):
            # A job that was skipped before its first step has no picture, and the script nothing to go on with.
            self._end(run, "done" if run.skipped else "failed", None if run.skipped else INTERNAL, interrupted=run.skipped)
            return
        self._go_on(run, drawn)

    # what the jobs say; called by `Work` with its lock held, but for those that say otherwise

    def progressed(self, child: LiveJob) -> None:
        """A job of a script has done a step."""
        run = self._run_of(child)
        if run is None or child.progress is None:
            return
        whole = min(run.done + sum(each.fraction for _, _, each in run.active.values()), run.total)
        steps = child.progress.steps
        batch = min(int(whole), max(0, run.total - 1))
        told = Progress(run.job.row.id, step=round((whole - batch) * steps), steps=steps, batch=batch, batches=max(1, run.total))
        self._work.tell_progress(run.job, told)

    def is_first(self, child: LiveJob) -> bool:
        """Whether this is the script's job whose previews are shown: the oldest one at work."""
        run = self._run_of(child)
        return run is not None and next(iter(run.active), None) == child.row.id

    def picture(self, child: LiveJob, event: PictureDone) -> Callable[[], None] | None:
        """What is to be done about a picture."""
        run = self._run_of(child)
        return None if run is None else partial(self._take_or_fail, run, child, event)

    def _take_or_fail(self, run: ScriptRun, child: LiveJob, event: PictureDone) -> None:
        try:
            self._take(run, child, event)
        except Exception:
            log.exception("picture %d of job %s was lost", event.index, child.row.id)
            self._work.give_up(run.job, INTERNAL)

    def _take(self, run: ScriptRun, child: LiveJob, event: PictureDone) -> None:
        """Keeps a picture, if it is one to show, and remembers it for the script. On the jobs' worker."""
        job, options = run.job, run.job.options
        with self._work.lock:
            if child.row.id not in run.active:
                return
            place, task, _ = run.active[child.row.id]
            number = None if task.shown is None else task.shown + event.index
            is_new = number is not None and number not in job.numbers
            if is_new and number is not None:
                job.numbers.add(number)
        event = replace(event, extras={**event.extras, **task.extras})
        row, view = self._row(run, task), None
        if is_new:
            to_disk = job.row.save and (not child.is_cut_short or options.switch("save_incomplete_images"))
            kept = self._pictures.keep(row, options, event, to_disk=to_disk, started=job.started, number=number)
            beside = self._pictures.keep_beside(row, options, event, to_disk=to_disk, started=job.started, number=number)
            self._work.kept(job, kept, beside)
            view = kept.view
        read = partial(self._decoded, view) if view is not None and run.has_pixels(view) else partial(np.asarray, event.pixels)
        made = Made(event.seed, view.infotext if view else infotext_of(row, options, event), row, read)
        with self._work.lock:
            run.made.setdefault(place, {})[event.index] = made

    def child_ended(self, child: LiveJob, error: JobError | None) -> None:
        """A job of a script has come to its end. On the jobs' worker, without the lock."""
        run = self._run_of(child)
        if run is None:
            return
        with self._work.lock:
            run.active.pop(child.row.id, None)
            run.done += 1
            first_error = error is not None and run.job.error is None
            if first_error:
                run.job.error = error
                run.waiting.clear()
            others = [each for _, _, each in run.active.values()]
        if first_error:
            for each in others:
                self._work.stop(each, Stop.CANCEL)
        if not self._feed(run) and not run.waiting:
            self._worker.put(partial(self._end_if_idle if run.is_given_up else self._answered, run))

    # the end

    def _end_if_idle(self, run: ScriptRun) -> None:
        """Ends a script that was stopped, or that has failed, once none of its jobs is at work."""
        with self._work.lock:
            busy = bool(run.active) or run.job.ended is not None
        if busy or self._work.closing:
            return
        if run.job.error is not None:
            self._end(run, "failed")
        elif run.stopping is Stop.INTERRUPT:
            self._end(run, "done", interrupted=True)
        elif run.stopping is not None:
            self._end(run, "cancelled")

    def _end(
        self, run: ScriptRun, state: JobState, error: JobError | None = None, *, interrupted: bool = False, outcome: Outcome | None = None
    ) -> None:
        with self._work.lock:
            run.job.outcome = outcome
            children = [child for _, _, child in run.active.values()]
        run.plan.steps.close()
        for child in children:
            self._work.stop(child, Stop.CANCEL)
        self._work.over(run.job, state, error, interrupted)

    # pictures

    def _show(self, run: ScriptRun, step: Show) -> None:
        job, like = run.job, step.like
        assert isinstance(like, Made)
        with self._work.lock:
            if step.number in job.numbers:
                return
            job.numbers.add(step.number)
        pixels = np.asarray(step.image.convert("RGB"))
        facts = self._pictures.facts_like(like.row, job.options, like.infotext, like.seed, step.image.size)
        self._work.kept(job, self._pictures.keep_shown(job.row, job.options, pixels, step.number, step.infotext, facts))

    def _decoded(self, view: PictureView) -> Pixels:
        with Image.open(io.BytesIO(self._pictures.data(view))) as picture:
            return np.asarray(picture.convert("RGB"))

    def _run_of(self, child: LiveJob) -> ScriptRun | None:
        return child.parent.run if child.parent is not None else None
