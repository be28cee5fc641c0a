"""How the threads of a CPU forward wait for each other: awake on a quiet machine, asleep beside other programs.

A forward has thousands of places where its threads meet. Waiting awake (GNU's OpenMP: some milliseconds of spinning) costs nothing
where every thread has a core; where another program takes one, whoever waits spins through the time that the other needs, and a
picture takes fifty times as long. Asleep it takes twice as long on a quiet machine, and beside others no longer than that.
GNU's OpenMP has no call for it, but it spins 100 times in place of 300,000 while it has more threads than there are cores (libgomp's
manual, GOMP_SPINCOUNT): so a team that has nothing to do is held as long as others are at work.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

log = logging.getLogger(__name__)

THREADS = Path("/proc/self/task")
LOOK_S = 0.5
BUSY = 0.4
"""Seconds a second that our threads, all together, were ready and got no core: from here on sleeping is faster (two cores)."""
QUIET = 0.25
CALM_LOOKS = 4
"""Looks in a row at a quiet machine before the threads wait awake again: sleeping ones notice less of the others."""
TEAM_NUMBERS = 2**20
"""Elements of a sum that torch gives to all threads."""


def queued_s() -> dict[str, float]:
    """Of each thread of this process, the seconds it was ready to run and waited for a core; empty where the system does not tell.

    Not of threads that let all others go first (hashing, conversions): they wait for ours.
    """
    queued: dict[str, float] = {}
    if not THREADS.is_dir():
        return queued
    usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
    for thread in THREADS.iterdir():
        try:
            if os.getpriority(os.PRIO_PROCESS, int(thread.name)) <= usual:
                queued[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):  # ended meanwhile; a kernel that does not count
            continue
    return queued


def can_adapt() -> bool:
    """Whether the waits of this process can be watched and nobody has set them."""
    return not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ) and torch.get_num_threads() > 1 and bool(queued_s())


class IdleTeam:
    """A thread with a team of OpenMP threads that does nothing; while it is there, all teams of the process wait asleep."""

    def __init__(self) -> None:
        self._over, self._there = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, name="idle team", daemon=True)
        self._thread.start()
        self._there.wait()

    def _hold(self) -> None:
        torch.zeros(TEAM_NUMBERS).add_(1)
        self._there.set()
        self._over.wait()

    def end(self) -> None:
        """Its threads end with it."""
        self._over.set()
        self._thread.join()


class Waits:
    """Looks twice a second, while there is work, at how long threads wait for a core, and sets how they wait for each other."""

    def __init__(self, queued: Callable[[], dict[str, float]] = queued_s) -> None:
        self._queued, self._calm = queued, 0
        self._team: IdleTeam | None = None
        self._working, self._closed = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        """Begins to look, in a thread of its own: a forward beside other programs would take minutes before it is put right."""
        threading.Thread(target=self._watch, name="waits", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        """Looks no more; the idle team ends."""
        self._closed.set()
        self._working.set()

    def working(self, at_work: bool) -> None:
        """Whether the engine has something to do; it is not looked at otherwise."""
        if at_work != self._working.is_set():
            (self._working.set if at_work else self._working.clear)()

    @property
    def asleep(self) -> bool:
        """How the threads wait now."""
        return self._team is not None

    def _watch(self) -> None:
        while self._working.wait() and not self._closed.is_set():
            begun, before = time.monotonic(), self._queued()
            self._closed.wait(LOOK_S)
            if self._working.is_set():
                self.judge(before, self._queued(), time.monotonic() - begun)
        self._wait_awake()

    def judge(self, before: dict[str, float], after: dict[str, float], seconds: float) -> None:
        """Sets the waits by what the threads had waited for a core before and after so many seconds."""
        share = sum(queued - before.get(thread, 0.0) for thread, queued in after.items()) / seconds
        self._calm = self._calm + 1 if share < QUIET else 0
        if share > BUSY and self._team is None:
            log.debug("threads wait %.2f s a second for a core: they sleep now while they wait for each other", share)
            self._team = IdleTeam()
        elif self._calm >= CALM_LOOKS:
            self._wait_awake()

    def _wait_awake(self) -> None:
        if self._team is not None:
            self._team.end()
            self._team = None
