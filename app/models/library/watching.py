"""Follows the folders of models, so that a file that somebody puts there shows up by itself."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import watchfiles

log = logging.getLogger(__name__)

_ASK_MS = 1000
"""How often the follower looks around while nothing happens."""
LONGEST_S = 15.0
"""A file that is being copied changes all the time; after so long the folders are looked through all the same."""
RESCAN_S = 900.0
"""Where the system tells of no changes (network disks, too many folders), everything is looked through after so long."""


class Follower:
    """A thread that calls `on_change` once things have calmed down after a change below one of the folders."""

    def __init__(self, folders: Callable[[], Sequence[Path]], on_change: Callable[[], None]) -> None:
        self._folders, self._on_change = folders, on_change
        self._stop = threading.Event()
        self.following = threading.Event()
        """Set while the system tells of changes."""
        self._thread = threading.Thread(target=self._run, name="model folders", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends it, and waits for that."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            folders = self._present()
            try:
                self._follow(folders)
            except Exception:  # the system's limit of watched folders, a bad disk: models that come must show all the same
                log.exception("following the model folders failed; they are looked through again later")
                self.following.clear()
                self._stop.wait(RESCAN_S)
                self._look()

    def _follow(self, folders: Sequence[Path]) -> None:
        """Until a folder comes or goes. What comes while the system begins to watch is seen by the look that follows."""
        if not folders:
            self._stop.wait(_ASK_MS / 1000)
            return
        changed_at: float | None = time.monotonic()
        looked_at = time.monotonic()
        for changes in watchfiles.watch(
            *folders, watch_filter=_matters, debounce=_ASK_MS, step=200, rust_timeout=_ASK_MS, yield_on_timeout=True,
            stop_event=self._stop, raise_interrupt=False, ignore_permission_denied=True,
        ):  # fmt: skip
            self.following.set()
            if self._stop.is_set():
                return
            if changes:
                changed_at = changed_at or time.monotonic()
            now = time.monotonic()
            if (changed_at is not None and (not changes or now - changed_at > LONGEST_S)) or now - looked_at > RESCAN_S:
                changed_at, looked_at = None, now
                self._look()
            if not changes and self._present() != folders:
                return

    def _look(self) -> None:
        try:
            self._on_change()
        except Exception:  # the next change is another chance
            log.exception("looking through the model folders failed")

    def _present(self) -> Sequence[Path]:
        return [folder for folder in self._folders() if folder.is_dir()]


def _matters(_: watchfiles.Change, path: str) -> bool:
    """Hidden files are somebody's half-written ones."""
    return not Path(path).name.startswith(".")
