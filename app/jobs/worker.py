"""One thread that writes down what the engine has made, so that the engine's own thread does not wait for a disk."""

import logging
from collections.abc import Callable
from queue import Queue
from threading import Thread

log = logging.getLogger(__name__)

CAPACITY = 16
"""Tasks that may wait. A picture of 64 megapixels holds 192 MB, so the line must be short; when it is full, `put` waits, and with it
the engine: pictures are then made no faster than the disk takes them."""


class Worker:
    """Does tasks one after another, in the order they came."""

    def __init__(self, name: str, capacity: int = CAPACITY) -> None:
        self._tasks: Queue[Callable[[], None] | None] = Queue(capacity)
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, task: Callable[[], None]) -> None:
        """Adds a task; waits while too many are waiting."""
        self._tasks.put(task)

    def close(self) -> None:
        """Does what was put so far, then ends the thread."""
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                log.exception("a task of %s failed", self._thread.name)
