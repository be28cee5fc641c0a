"""The engine in a process of its own: a fault in a kernel, the out-of-memory killer or a hang ends that process, not the server."""

import contextlib
import logging
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from app.engine.child import LoopBuilder, NotStarted, Pulse, RefreshModels, serve
from app.engine.client import Cancelled, Done, EngineJob, EngineStatus, Event, Failed, Lost, Started, Stop
from app.engine.messages import Close, LimitModels, LoadModel, Message, StopJob, Submit, UnloadModels
from app.engine.patience import Patience
from app.engine.thread import STARTING
from app.models import Catalog
from app.schema.errors import EngineStopped
from app.schema.settings import ServerSettings

log = logging.getLogger(__name__)

CLOSING_S = 20.0
"""How long a forward may take to end when the server is closed."""
LOOK_S = 0.5
MOST_BAD_STARTS = 3
"""So many processes in a row may die while they start before their jobs fail: it will not be chance."""
STOPPED = EngineStopped("The engine was stopped before the job was done.")


@dataclass(eq=False)
class _Life:
    """One process from its start to its end."""

    process: SpawnProcess
    connection: "Connection[object, object]"
    outbox: "queue.SimpleQueue[object]" = field(default_factory=queue.SimpleQueue)
    ready: bool = False
    refused: str | None = None
    """Why it could not start."""
    hung_s: float | None = None
    turns: int = -1
    heard: float = field(default_factory=time.monotonic)
    """When it was last seen to get on."""

    def write(self) -> None:
        """Sends what is in the outbox until the process or the outbox ends; a thread of its own, because a hung process reads nothing."""
        with contextlib.suppress(OSError):
            while (message := self.outbox.get()) is not None:
                self.connection.send(message)

    def cause_of_death(self) -> str:
        """What it died of, a clause for people."""
        if self.hung_s is not None:
            return f"the engine's process did not get on for {self.hung_s:.0f} seconds and was ended"
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"the engine's process ended by itself (status {code})"
        why = {signal.SIGSEGV: ": a fault in native code", signal.SIGKILL: ", as the system does when memory runs out"}
        killer = signal.Signals(-code)
        return f"the engine's process was killed (signal {-code}, {killer.name}{why.get(killer, '')})"


class ProcessEngine:
    """An `EngineClient`. The process starts with the first message. When it dies, its jobs are `Lost` and another one is started."""

    def __init__(
        self, settings: ServerSettings, catalog: Catalog, *, build: LoopBuilder | None = None, patience: Patience | None = None
    ) -> None:
        """`build` makes the loop in the process (default `build_loop`)."""
        self._settings, self._catalog, self._build = settings, catalog, build
        self._patience = patience or Patience()
        self._lock = threading.RLock()
        self._jobs: dict[str, EngineJob] = {}
        """Handed over and not ended."""
        self._started: dict[str, None] = {}
        """Those that the process works on, oldest first."""
        self._limits = LimitModels(0, one_on_device=False)
        self._unsent: list[Message] = []
        """Said while there was no process."""
        self._life: _Life | None = None
        self._status = STARTING
        self._models_seen = -1
        self._deaths = self._bad_starts = 0
        self._last_death: str | None = None
        self._wanted, self._closing = threading.Event(), False
        self._thread: threading.Thread | None = None

    def start(self, on_event: Callable[[Event], None]) -> None:
        """Starts the thread that looks after the process; returns at once."""
        self._on_event = on_event
        self._thread = threading.Thread(target=self._look_after, name="engine process", daemon=True)
        self._thread.start()

    def submit(self, job: EngineJob) -> None:
        """Hands over a job; it ends with exactly one of Done, Failed, Cancelled, Lost."""
        with self._lock:
            self._jobs[job.id] = job
            self._tell(Submit(job))

    def stop_job(self, job: str, how: Stop) -> None:
        """Takes effect after the current forward."""
        self._tell(StopJob(job, how))

    def unload(self) -> None:
        """Frees checkpoints that no job needs."""
        self._tell(UnloadModels())

    def load(self, checkpoint: str) -> None:
        """Makes a checkpoint resident before it is needed."""
        self._tell(LoadModel(checkpoint))

    def limit(self, most: int, *, one_on_device: bool) -> None:
        """Holds for engines that are started later, too; does not start one."""
        self._limits = LimitModels(most, one_on_device)
        if self._life is not None:
            self._tell(self._limits)

    def status(self) -> EngineStatus:
        """What the process said last."""
        with self._lock:
            running, waiting = tuple(self._started), len(self._jobs) - len(self._started)
            return replace(self._status, running=running, waiting=waiting, deaths=self._deaths, last_death=self._last_death)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        life = self._life
        return life.process.pid if life else None

    def close(self) -> None:
        """Stops after the current forward, or without it when that takes long, and waits for the process."""
        with self._lock:
            self._closing = True
        self._tell(Close())
        if self._thread is not None:
            self._thread.join()

    # what is said to the process

    def _tell(self, message: Message) -> None:
        with self._lock:
            if self._life is None:
                self._unsent.append(message)
            else:
                self._send(self._life, message)
        self._wanted.set()

    def _send(self, life: _Life, message: Message) -> None:
        revision = self._catalog.revision
        if revision != self._models_seen and isinstance(message, Submit | LoadModel):
            self._models_seen = revision
            life.outbox.put(RefreshModels())
        life.outbox.put(message)

    # the thread that looks after it

    def _look_after(self) -> None:
        while self._wanted.wait() and not self._closing:
            life = self._spawn()
            self._listen(life)
            self._bury(life)
            with self._lock:
                if not life.ready and not self._unsent and not self._closing:
                    self._wanted.clear()  # it would fail again: wait until somebody wants something
        with self._lock:
            left, self._jobs = list(self._jobs), {}
        for job in left:
            self._on_event(Failed(job, str(STOPPED), STOPPED.code, STOPPED.status))

    def _spawn(self) -> _Life:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._settings, self._build), name="darkroom engine", daemon=True)
        process.start()
        theirs.close()
        life = _Life(process, ours)
        threading.Thread(target=life.write, name="engine outbox", daemon=True).start()
        with self._lock:
            self._models_seen = self._catalog.revision
            self._life = life
            self._send(life, self._limits)
            for message in self._unsent:
                self._send(life, message)
            self._unsent = []
        return life

    def _listen(self, life: _Life) -> None:
        """Until the process has ended, by itself or because it hung."""
        asked_to_end: float | None = None
        while True:
            try:
                if life.connection.poll(LOOK_S):
                    self._take(life, life.connection.recv())
                    continue
            except (EOFError, OSError):
                break
            now = time.monotonic()
            asked_to_end = asked_to_end or (now if self._closing else None)
            if asked_to_end is not None and now - asked_to_end > CLOSING_S:
                break
            if self._hangs(life, now):
                break
        if life.process.is_alive():
            life.process.join(0 if life.hung_s is not None else LOOK_S)
            life.process.kill()
        life.process.join()

    def _take(self, life: _Life, news: object) -> None:
        now = time.monotonic()
        if isinstance(news, NotStarted):
            life.refused = news.reason
            return
        if not isinstance(news, Pulse) or news.turns != life.turns:
            if life.ready and self._jobs:
                self._patience.saw(now - life.heard, self._pixels())
            life.heard = now
        if isinstance(news, Pulse):
            life.turns, life.ready = news.turns, True
            with self._lock:
                self._status = news.status
        elif isinstance(news, Event):
            self._pass_on(news)

    def _pass_on(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Started):
                self._started[event.job] = None
            elif isinstance(event, Done | Failed | Cancelled):
                self._jobs.pop(event.job, None)
                self._started.pop(event.job, None)
        self._on_event(event)

    def _hangs(self, life: _Life, now: float) -> bool:
        if not self._jobs:
            life.heard = now
            return False
        silence = now - life.heard
        if silence <= self._patience.limit_s(self._pixels()):
            return False
        life.hung_s = silence
        return True

    def _pixels(self) -> int:
        """Of the largest batch at work."""
        with self._lock:
            sizes = [job.params.width * job.params.height * job.params.batch_size for job in self._jobs.values()]
        return max(sizes, default=0)

    def _bury(self, life: _Life) -> None:
        """Tells every job what has become of it."""
        life.outbox.put(None)
        life.connection.close()
        with self._lock:
            self._life, self._status = None, STARTING
            if self._closing:
                return
            jobs, started = list(self._jobs), set(self._started)
            self._jobs, self._started = {}, {}
            cause = life.cause_of_death()
            self._deaths, self._last_death = self._deaths + 1, cause
            self._bad_starts = 0 if life.ready else self._bad_starts + 1
            given_up = life.refused is not None or self._bad_starts >= MOST_BAD_STARTS
        log.error("%s", life.refused or cause)
        for job in jobs:
            if not given_up:
                self._on_event(Lost(job, cause, job in started))
            else:
                reason = f"The engine did not start: {life.refused or cause}"
                self._on_event(Failed(job, reason, EngineStopped.code, EngineStopped.status))
        life.process.close()
