"""What happens to jobs, as a numbered stream that pages follow and take up again after a cut connection."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from types import TracebackType
from typing import Literal, Self

from app.jobs.line import EVERYBODY

EventKind = Literal["job", "progress", "preview", "picture", "note", "ended", "models"]
"""`models`: not of a job, but of the collection of model files, for everybody."""
BACKLOG = 2000
"""Events that are kept for late readers."""
_LATEST_ONLY: frozenset[EventKind] = frozenset({"progress", "preview", "models"})


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """One thing that happened to one job."""

    id: int
    """Grows from event to event, also over restarts: a reader's place in the stream."""
    kind: EventKind
    job: str
    client: str
    data: dict[str, object] = field(default_factory=dict)
    """What changed, ready for JSON."""


class EventLog:
    """The last events of all jobs. Of a job's progress and previews only the newest is kept: the older say nothing more."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._changed, self._backlog = Condition(), backlog
        self._events: OrderedDict[int, JobEvent] = OrderedDict()
        self._newest: dict[tuple[str, EventKind], int] = {}
        self._wakers: set[Callable[[], None]] = set()
        # Milliseconds since 1970: above every number a former run has given, so that a reader's place keeps its meaning.
        self._last_id = self._dropped_id = time.time_ns() // 1_000_000
        self._closed = False

    def publish(self, kind: EventKind, job: str, client: str, data: dict[str, object]) -> None:
        """Adds an event and wakes the readers."""
        with self._changed:
            self._last_id += 1
            if kind in _LATEST_ONLY:
                self._events.pop(self._newest.get((job, kind), 0), None)
                self._newest[job, kind] = self._last_id
            elif kind == "ended":
                for passing in ("progress", "preview"):
                    self._events.pop(self._newest.pop((job, passing), 0), None)
            self._events[self._last_id] = JobEvent(id=self._last_id, kind=kind, job=job, client=client, data=data)
            if len(self._events) > self._backlog:
                self._dropped_id = self._events.popitem(last=False)[0]
            self._wake()

    def close(self) -> None:
        """Wakes all readers for good: what they have not read they still get, then nothing more."""
        with self._changed:
            self._closed = True
            self._wake()

    def subscribe(self, client: str | None, after: int | None = None) -> "Subscription":
        """A reader of one client's events (None: everybody's), from now on or from the event after number `after`."""
        with self._changed:
            subscription = Subscription(self, client, self._last_id if after is None else min(after, self._last_id))
            # A place this stream has not reached: the clock was set back between two runs.
            subscription.missed = subscription._untold = after is not None and after > self._last_id
            return subscription

    def _wake(self) -> None:
        self._changed.notify_all()
        for waker in self._wakers:
            waker()

    def _read(self, client: str | None, after: int) -> tuple[list[JobEvent], int, bool]:
        """(events after a number, the number read up to, whether some were dropped before they could be read); lock held."""
        found = []
        for number in reversed(self._events):
            if number <= after:
                break
            if client is None or self._events[number].client in (client, EVERYBODY):
                found.append(self._events[number])
        return found[::-1], self._last_id, after < self._dropped_id


class Subscription:
    """One reader's place in the stream; a context manager. Used by one thread or one asyncio task at a time."""

    def __init__(self, log: EventLog, client: str | None, after: int) -> None:
        self._log, self._client, self._place = log, client, after
        self._left, self._untold = False, False
        self.missed = False
        """Set once events were dropped before they were read (a slow reader, a restart): ask for the jobs themselves then."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reading, also of a `take` that waits in another thread."""
        with self._log._changed:
            self._left = True
            self._log._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        return self._left or self._log._closed

    def take(self, timeout_s: float | None = None) -> list[JobEvent]:
        """Waits for news and returns all of it, oldest first; empty after the time, at the end, or if the only news is `missed`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        with self._log._changed:
            while True:
                events, tells = self._news()
                rest = None if end is None else end - time.monotonic()
                if tells or (rest is not None and rest <= 0):
                    return events
                self._log._changed.wait(rest)

    async def take_async(self, timeout_s: float | None = None) -> list[JobEvent]:
        """`take` for asyncio; holds no thread while it waits."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def waker() -> None:
            with contextlib.suppress(RuntimeError):  # the reader's loop was closed under it
                loop.call_soon_threadsafe(news.set)

        with self._log._changed:
            self._log._wakers.add(waker)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    news.clear()
                    with self._log._changed:
                        events, tells = self._news()
                    if tells:
                        return events
                    await news.wait()
        except TimeoutError:
            return []
        finally:
            with self._log._changed:
                self._log._wakers.discard(waker)

    def _news(self) -> tuple[list[JobEvent], bool]:
        """(new events, whether a `take` that waits should return now); lock held."""
        events, self._place, missed = self._log._read(self._client, self._place)
        tells = bool(events) or missed or self._untold or self.is_over
        self.missed, self._untold = self.missed or missed, False
        return events, tells
