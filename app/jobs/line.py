"""Who is handed to the engine next: fair between clients, in each client's own order. Pure decisions over plain data."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

MAX_HANDED_OVER = 64
"""Most jobs that the engine is given at once."""
CAPACITY: Mapping[str, float] = MappingProxyType({"cuda": 128.0})
"""Rows of 256x256 pixels that the engine is given ahead, by kind of device: enough to fill its forwards and to see which checkpoint is
wanted next, and no more, because what it has been given can be neither moved nor held back."""
CAPACITY_ELSEWHERE = 32.0
EVERYBODY = "*"
"""Among the paused clients: all of them."""


class Waiting(Protocol):
    """A job as the line sees it."""

    @property
    def client(self) -> str:
        """Whose it is."""

    @property
    def place(self) -> float:
        """Lower ones go first."""

    @property
    def weight(self) -> float:
        """How much of the engine it takes, in rows of 256x256 pixels."""

    @property
    def suspect(self) -> bool:
        """Whether it was running when the engine died."""


W = TypeVar("W", bound=Waiting)


def capacity_of(device: str) -> float:
    """What an engine on this torch device is given ahead."""
    return CAPACITY.get(device.partition(":")[0], CAPACITY_ELSEWHERE)


def weight_of(rows: int, width: int, height: int) -> float:
    """So many rows of a picture size, in rows of 256x256; smaller pictures count as those."""
    return rows * max(1.0, width * height / 65536)


def next_in_line(waiting: Iterable[W], working: Collection[W], capacity: float, paused: Collection[str]) -> W | None:
    """The job to hand over now, or None while the engine has enough.

    The client with the least at work is served first, and one that has nothing there is always served. Suspects go one at a time:
    if the engine dies again, it is known on whose account.
    """
    held: Counter[str] = Counter()
    for job in working:
        held[job.client] += max(1, round(job.weight))
    suspected = any(job.suspect for job in working)
    allowed = [job for job in waiting if not {job.client, EVERYBODY} & set(paused) and not (suspected and job.suspect)]
    chosen = min(allowed, key=lambda job: (held[job.client], job.place), default=None)
    if chosen is None or len(working) >= MAX_HANDED_OVER:
        return None
    fits = sum(job.weight for job in working) + chosen.weight <= capacity
    return chosen if fits or not held[chosen.client] else None


def moved(line: Iterable[W], job: W, position: int) -> list[tuple[W, float]]:
    """Who has to change to which place, for `job` to be at `position` (from 1) of `line`.

    The jobs of `line` exchange the places that they have, so nobody else's job moves.
    """
    old = sorted(line, key=lambda each: each.place)
    new = [each for each in old if each is not job]
    new.insert(max(0, position - 1), job)
    return [(each, before.place) for each, before in zip(new, old, strict=True) if each is not before]
