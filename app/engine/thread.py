"""The engine in a thread of this process: the simplest thing behind the door. torch is imported in that thread, not before."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.engine.client import Cancelled, Done, EngineJob, EngineStatus, Event, Failed, Lost, Started, Stop
from app.engine.messages import Close, LimitModels, LoadModel, Message, StopJob, Submit, UnloadModels
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.settings import ServerSettings

if TYPE_CHECKING:
    from app.engine.loop import EngineLoop

log = logging.getLogger(__name__)

STARTING = EngineStatus(running=(), waiting=0, device="starting", dtype="", resident=(), loaded=None, forwards=0, rows=0)


class ThreadEngine:
    """An `EngineClient`. torch is imported at the first message, so a page can be served before that; messages wait in the inbox."""

    def __init__(self, settings: ServerSettings, catalog: Catalog, tokenizer: Tokenizer) -> None:
        self._settings, self._catalog, self._tokenizer = settings, catalog, tokenizer
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._loop: EngineLoop | None = None
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._limits = LimitModels(0, one_on_device=False)
        self._lock = threading.Lock()
        self._jobs: dict[str, bool] = {}
        """Handed over and not ended, and whether the loop works on it; guarded by the lock."""

    def start(self, on_event: Callable[[Event], None]) -> None:
        """Starts the thread; returns at once."""
        self._thread = threading.Thread(target=self._run, args=(on_event,), name="engine", daemon=True)
        self._thread.start()

    def submit(self, job: EngineJob) -> None:
        """Hands over a job; it ends with exactly one of Done, Failed, Cancelled, Lost."""
        with self._lock:
            self._jobs[job.id] = False
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
        if self._loop is not None:
            self._tell(self._limits)

    def status(self) -> EngineStatus:
        """What the engine is doing; `device` is "starting" until torch is there."""
        return self._loop.status() if self._loop is not None else STARTING

    def close(self) -> None:
        """Stops after the current forward and waits for the thread."""
        self._tell(Close())
        if self._thread is not None:
            self._thread.join()

    def _tell(self, message: Message) -> None:
        self._inbox.put(message)
        self._wanted.set()

    def _run(self, on_event: Callable[[Event], None]) -> None:
        self._wanted.wait()
        while True:
            try:
                from app.engine.build import build_loop

                self._loop = build_loop(
                    self._inbox, self._settings, self._catalog, self._tokenizer, lambda event: self._pass_on(event, on_event)
                )
            except Exception as error:
                log.exception("the engine did not start")
                self._refuse_all(f"The engine did not start: {error}", on_event)
                return
            try:
                self._tell(self._limits)
                self._loop.run()
                return
            except Exception as error:
                log.exception("the engine's loop failed and is started anew")
                self._lose(f"the engine failed ({type(error).__name__}; the log tells more)", on_event)

    def _pass_on(self, event: Event, on_event: Callable[[Event], None]) -> None:
        with self._lock:
            if isinstance(event, Started):
                self._jobs[event.job] = True
            elif isinstance(event, Done | Failed | Cancelled):
                self._jobs.pop(event.job, None)
        on_event(event)

    def _lose(self, cause: str, on_event: Callable[[Event], None]) -> None:
        """Tells the jobs that the failed loop had; what it had not read yet is the next one's."""
        with self._lock:
            unread: list[Message] = []
            while not self._inbox.empty():
                unread.append(self._inbox.get())
            for message in unread:
                self._inbox.put(message)
            theirs = {message.job.id for message in unread if isinstance(message, Submit)}
            lost = {job: at_work for job, at_work in self._jobs.items() if job not in theirs}
            self._jobs = dict.fromkeys(theirs, False)
        for job, at_work in lost.items():
            on_event(Lost(job, cause, at_work))

    def _refuse_all(self, reason: str, on_event: Callable[[Event], None]) -> None:
        """Without an engine every job fails with the reason, so that nobody waits for ever."""
        while not isinstance(message := self._inbox.get(), Close):
            if isinstance(message, Submit):
                on_event(Failed(message.job.id, reason, "engine_stopped", 503))
