"""What the page says of the machine."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.api import machine
from app.api.machine import Machine


def test_the_processors_load_is_the_same_for_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look from a thread that has never asked before, as requests come."""
    times = iter([(10.0, 100.0), (40.0, 140.0), (50.0, 240.0)])
    monkeypatch.setattr(machine, "_times", lambda: next(times))
    monkeypatch.setattr(machine, "LEAST_S", 0.0)
    watched = Machine()
    loads = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            loads.append(thread.submit(watched.look, "cpu").result().load)
    assert loads == [0.75, 0.1]
    monkeypatch.setattr(machine, "LEAST_S", 1e9)
    assert watched.look("cpu").load == 0.1


def test_the_real_times_grow() -> None:
    busy, whole = machine._times()
    assert 0 < busy < whole
