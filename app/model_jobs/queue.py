"""The model jobs of this server: a list on the disk, one at work at a time, behind everything else that the machine does."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import ValidationError

from app.model_jobs.actions import ACTIONS, Action, Move, Rename
from app.model_jobs.moving import finish
from app.model_jobs.shelf import Shelf
from app.model_jobs.task import Done, Report, Stopped
from app.model_jobs.tasks import task_of
from app.models.hashing import lower_priority
from app.schema.disk import partial_of
from app.schema.errors import DarkroomError, NotFound
from app.schema.kept_list import KeptList

log = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
UNENDED = ("queued", "running")
INTERRUPTED = "The server ended while it was at work. Nothing half-made is left; ask for it again."
KEPT = 200
"""Ended jobs that the list remembers."""
SPEED_OVER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ModelJob:
    """One action, as the list shows it."""

    id: str
    client: str = field(default="", repr=False)
    """Who asked for it."""
    action: Mapping[str, Any]
    """As it was asked for."""
    title: str
    state: State = "queued"
    done_bytes: int = 0
    total_bytes: int | None = None
    bytes_per_s: float = 0.0
    summary: str = ""
    error: str = ""
    file: str = ""
    """The new file, or where a file is now, below its folder."""
    facts: Mapping[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    begun: float | None = None
    ended: float | None = None
    partial: str = ""
    """A hidden file that it writes."""
    moves: tuple[tuple[str, str], ...] = ()
    """Renamings that it does."""

    @property
    def left_s(self) -> float | None:
        """How long it still takes at this speed."""
        if self.state != "running" or self.total_bytes is None or self.bytes_per_s <= 0:
            return None
        return max(0.0, self.total_bytes - self.done_bytes) / self.bytes_per_s


class ModelJobs:
    """Thread-safe. Nothing is done before `start`."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._kept = KeptList(shelf.settings.data_dir / "model-jobs.json", ModelJob, "model jobs")
        self._lock, self._wakes = threading.RLock(), threading.Condition()
        self._jobs = {job.id: job for job in self._kept.read()}
        self._stop: tuple[str, threading.Event] | None = None
        """The job at work, and what ends it."""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Puts right what a server that was killed has left, and begins with what is queued."""
        with self._lock:
            for job in [job for job in self._jobs.values() if job.state == "running"]:
                self._interrupted(job)
        self._thread = threading.Thread(target=self._run, name="model jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops what is at work; nothing half-made is left of it. What is queued waits for the next start."""
        self._closing.set()
        with self._lock:
            if self._stop is not None:
                self._stop[1].set()
        with self._wakes:
            self._wakes.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._kept.close()

    def all(self, client: str | None = None) -> list[ModelJob]:
        """All of them, or those of one client; the newest first."""
        with self._lock:
            found = [job for job in self._jobs.values() if client in (None, job.client)]
        return sorted(found, key=lambda job: job.created, reverse=True)

    def get(self, wanted: str, client: str | None = None) -> ModelJob:
        """One of them; NotFound, also for one that is not this client's."""
        with self._lock:
            job = self._jobs.get(wanted)
        if job is None or client not in (None, job.client):
            raise NotFound("There is no such model job.")
        return job

    def add(self, action: Action, client: str = "") -> ModelJob:
        """An action to be done. Raises what makes it impossible (DarkroomError) at once, as far as that can be seen."""
        title = task_of(action, self.shelf).title
        job = ModelJob(id=uuid4().hex, client=client, action=action.model_dump(mode="json"), title=title)
        with self._lock:
            self._jobs[job.id] = job
            self._write()
        with self._wakes:
            self._wakes.notify()
        return job

    def cancel(self, wanted: str) -> ModelJob:
        """Ends it, within about a second; nothing half-made is left."""
        with self._lock:
            job = self.get(wanted)
            if job.state == "queued":
                self._change(wanted, state="cancelled", ended=time.time())
            elif self._stop is not None and self._stop[0] == wanted:
                self._stop[1].set()
            return self._jobs[wanted]

    def remove(self, wanted: str) -> None:
        """Takes it off the list; what is at work ends first."""
        with self._lock:
            self.cancel(wanted)
            del self._jobs[wanted]
            self._write()

    # the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            job = self._next()
            if job is None:
                with self._wakes:
                    self._wakes.wait(timeout=1.0)
                continue
            try:
                with ThreadPoolExecutor(1, thread_name_prefix="model job", initializer=lower_priority) as worker:
                    worker.submit(self._do, job).result()  # torch's threads for it end with it: they would be in a forward's way
            except Stopped:
                self._end(job.id, state="interrupted" if self._closing.is_set() else "cancelled", error=self._why())
            except DarkroomError as error:
                self._end(job.id, state="failed", error=str(error))
            except Exception as error:
                log.exception("a model job failed in a way that was not foreseen")
                self._end(job.id, state="failed", error=f"It failed ({type(error).__name__}); the server's log says more.")
            finally:
                with self._lock:
                    self._stop = None

    def _why(self) -> str:
        return INTERRUPTED if self._closing.is_set() else ""

    def _next(self) -> ModelJob | None:
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.state == "queued"]
            if not waiting or self._closing.is_set():
                return None
            first = min(waiting, key=lambda job: job.created)
            self._stop = first.id, threading.Event()
            return self._change(first.id, state="running", begun=time.time())

    def _do(self, job: ModelJob) -> None:
        task = task_of(ACTIONS.validate_python(job.action), self.shelf)
        moves = tuple((str(before), str(now)) for before, now in task.moves)
        self._change(job.id, title=task.title, partial=str(partial_of(task.makes)) if task.makes else "", moves=moves)
        done = task.run(self._report(job.id))
        self._succeeded(job.id, done)

    def _succeeded(self, wanted: str, done: Done) -> None:
        self.shelf.catalog.refresh()
        total = self._jobs[wanted].total_bytes if wanted in self._jobs else None
        self._end(
            wanted, state="done", summary=done.summary, file=done.file, facts=dict(done.facts), done_bytes=total or 0, total_bytes=total
        )

    def _report(self, wanted: str) -> Report:
        assert self._stop is not None
        stop, seen = self._stop[1], deque[tuple[float, int]]()

        def report(done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            now = time.monotonic()
            seen.append((now, done))
            while len(seen) > 2 and now - seen[0][0] > SPEED_OVER_S:
                seen.popleft()
            seconds = now - seen[0][0]
            speed = (done - seen[0][1]) / seconds if seconds > 0 else 0.0
            with self._lock:
                if wanted in self._jobs:
                    self._jobs[wanted] = replace(self._jobs[wanted], done_bytes=done, total_bytes=total, bytes_per_s=max(0.0, speed))

        return report

    def _end(self, wanted: str, **changes: Any) -> None:
        with self._lock:
            if wanted in self._jobs:
                self._change(wanted, ended=time.time(), bytes_per_s=0.0, partial="", moves=(), **changes)

    # the list on the disk

    def _interrupted(self, job: ModelJob) -> None:
        """Leaves the old or the new, whole: what was half written goes, renamings that were begun are ended."""
        if job.partial:
            with suppress(OSError):
                Path(job.partial).unlink(missing_ok=True)
        moves = [(Path(before), Path(now)) for before, now in job.moves]
        try:
            action = ACTIONS.validate_python(job.action)
        except ValidationError:  # a list that somebody changed
            action = None
        done = finish(action.kind, action.filename, moves, self.shelf) if isinstance(action, Rename | Move) else None
        if done is None:
            self._end(job.id, state="interrupted", error=INTERRUPTED)
        else:
            self._succeeded(job.id, done)

    def _change(self, wanted: str, **changes: Any) -> ModelJob:
        with self._lock:
            if wanted not in self._jobs:
                raise Stopped
            self._jobs[wanted] = replace(self._jobs[wanted], **changes)
            self._write()
            return self._jobs[wanted]

    def _write(self) -> None:
        for old in [job for job in self.all() if job.state not in UNENDED][KEPT:]:
            del self._jobs[old.id]
        self._kept.write(self._jobs.values())
