"""Who computes which file's sha256 when: at once for those who wait, in a low-priority thread for the rest."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from app.models.diffusers_folder import state_of
from app.models.hashes import HashingCancelled, Progress, checkpoint_sha256_of
from app.models.scan import stamp_of
from app.schema.errors import BadModelFile

log = logging.getLogger(__name__)

Following = Callable[[Collection[Path]], Path | None]
"""Names a file that wants a hash, but none of the given ones, which could not be read."""
Finished = Callable[[Path, str, str], None]
"""Called with a file's path, the stamp of the state that was read, and its sha256."""


class Hasher:
    """Computes each file once, however many threads ask for it.

    The background thread waits while anybody computes in the foreground, and leaves a file to whoever asks for it there: a
    foreground caller must not wait for a thread of low priority on a busy machine.
    """

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._changed = threading.Condition()
        self._running: dict[Path, Future[str]] = {}
        self._partial: dict[Path, int] = {}
        self._stopping = False
        self._awake = False
        self._thread: threading.Thread | None = None

    def hash(self, path: Path, on_progress: Progress | None = None) -> str:
        """The sha256 of a file, computed now or by the thread that is at it already (then without progress).

        Raises BadModelFile if the file cannot be read, or changes meanwhile.
        """
        with self._changed:
            running = self._running.get(path)
            future = self._running.setdefault(path, Future())
        if running is not None:
            return running.result()
        try:
            future.set_result(self._compute(path, on_progress, None))
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._changed:
                del self._running[path]
                self._changed.notify_all()
        return future.result()

    def partial_bytes(self) -> dict[Path, int]:
        """The files that are being read, and how far."""
        return dict(self._partial)

    def start(self, following: Following, on_progress: Callable[[], None]) -> None:
        """Starts the background thread, if it does not run: it computes what `following` names, and after None waits for `wake`."""
        with self._changed:
            if self._thread is not None:
                return
            self._stopping = False
            self._thread = threading.Thread(target=self._work, args=(following, on_progress), name="hashing", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Tells the background thread that there may be new files."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Stops the background thread, within a file, and waits for its end."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _work(self, following: Following, on_progress: Callable[[], None]) -> None:
        lower_priority()
        failed: set[Path] = set()
        while self._wait_for_foreground():
            path = following(failed)
            if path is None:
                on_progress()
                with self._changed:
                    self._changed.wait_for(lambda: self._awake or self._stopping)
                    self._awake = False
                failed.clear()
                continue
            try:
                self._compute(path, lambda done, total: on_progress(), partial(self._give_way, path))
            except HashingCancelled:
                log.debug("the hashing of %s was put off", path.name)
            except BadModelFile as error:
                log.warning("not hashed: %s", error)
                failed.add(path)

    def _wait_for_foreground(self) -> bool:
        """Waits while others compute; False if the background thread shall end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self._running)
            return not self._stopping

    def _give_way(self, path: Path) -> bool:
        """Waits while others compute; True if this file is no longer the background thread's business."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or path in self._running or not self._running)
            return self._stopping or path in self._running

    def _compute(self, path: Path, on_progress: Progress | None, cancelled: Callable[[], bool] | None) -> str:
        def progress(done_bytes: int, total_bytes: int) -> None:
            self._partial[path] = done_bytes
            if on_progress is not None:
                on_progress(done_bytes, total_bytes)

        try:
            before = state_of(path)
            sha256 = checkpoint_sha256_of(path, progress, cancelled)
            after = state_of(path)
        except OSError as error:
            raise BadModelFile(f"{path.name} cannot be read: {error.strerror or error}.") from error
        finally:
            self._partial.pop(path, None)
        stamp = stamp_of(*before)
        if before != after:
            raise BadModelFile(f"{path.name} changed while it was read; is it still being copied? Refresh the list and try again.")
        self._finished(path, stamp, sha256)
        return sha256


def lower_priority() -> None:
    """Makes the calling thread, and those it starts, the last in line for a core; only Linux can do that for one thread."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        except OSError as error:
            log.debug("thread %s keeps its priority: %s", threading.current_thread().name, error)
