"""What the engine gets done: pictures a minute, jobs by their end, and how fast the line moves. Callers hold one lock."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable

MINUTE_S = 60.0
MEMORY_S = 120.0
"""The pace of so long ago counts for 1/e."""
LONGEST_PAUSE_S = 10.0
"""A longer silence between two reports means that nothing was being made."""


class Figures:
    """Counts and rates since the start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: deque[float] = deque()
        self._last: float | None = None
        self._work = self._busy_s = 0.0
        self.pictures = 0
        """Pictures kept."""
        self.ends: Counter[str] = Counter()
        """Jobs by the state they ended in."""

    def picture_made(self) -> None:
        """A picture was kept."""
        self.pictures += 1
        self._made.append(self._clock())

    def ended(self, state: str) -> None:
        """A job has ended."""
        self.ends[state] += 1

    def progressed(self, work: float) -> None:
        """So much work was done since the last call: denoiser calls times the job's weight."""
        now = self._clock()
        if self._last is not None:
            passed = now - self._last
            fading = math.exp(-passed / MEMORY_S)
            self._work = self._work * fading + max(0.0, work)
            self._busy_s = self._busy_s * fading + min(passed, LONGEST_PAUSE_S)
        self._last = now

    def pictures_a_minute(self) -> int:
        """Pictures kept in the last sixty seconds."""
        since = self._clock() - MINUTE_S
        while self._made and self._made[0] < since:
            self._made.popleft()
        return len(self._made)

    def seconds_for(self, work: float) -> float | None:
        """How long so much work takes at the pace of late; None before anything is known of it."""
        return work * self._busy_s / self._work if self._work > 0 and self._busy_s > 0 else None
