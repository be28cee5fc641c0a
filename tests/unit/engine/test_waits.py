"""How the threads of a forward wait for each other, by what they had to wait for a core."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.engine.waits import BUSY, CALM_LOOKS, LOOK_S, QUIET, Waits, can_adapt, queued_s
from tests.support.paths import ROOT

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="only Linux says how long threads waited for a core")


def look(waits: Waits, share: float) -> bool:
    """One look at a process whose two threads were kept waiting for `share` seconds a second."""
    waits.judge({"1": 5.0, "2": 1.0}, {"1": 5.0 + share * LOOK_S, "2": 1.0}, LOOK_S)
    return waits.asleep


def test_beside_other_programs_threads_sleep_and_on_a_machine_that_is_quiet_again_they_wait_awake() -> None:
    waits = Waits()
    assert not look(waits, 0.0)
    assert not look(waits, BUSY - 0.01)
    assert look(waits, BUSY + 0.01)
    assert all(look(waits, QUIET - 0.01) for _ in range(CALM_LOOKS - 1))
    assert look(waits, QUIET + 0.01), "once more busy: the calm looks are counted anew"
    assert [look(waits, 0.0) for _ in range(CALM_LOOKS)] == [True] * (CALM_LOOKS - 1) + [False]


def test_threads_that_began_meanwhile_count_and_those_that_ended_do_not() -> None:
    waits = Waits()
    waits.judge({"1": 9.0}, {"2": 0.3}, 1.0)
    assert not waits.asleep
    waits.judge({"2": 0.3}, {"2": 0.3, "3": 0.9}, 1.0)
    assert waits.asleep
    waits.judge({"2": 0.3, "3": 0.9}, {"2": 0.3, "3": 0.9}, 1.0)
    assert waits.asleep


IDLE_TEAM = """
import time
from pathlib import Path
import torch
from app.engine.waits import IdleTeam, can_adapt

def threads():
    return {thread.name for thread in Path("/proc/self/task").iterdir()}

assert can_adapt()
torch.zeros(2**20).add_(1)  # this thread's own team
before = threads()
team = IdleTeam()
held = threads() - before
team.end()
until = time.monotonic() + 30  # the system takes its time to let them go
while held & threads() and time.monotonic() < until:
    time.sleep(0.01)
print(len(held), len(held & threads()))
"""


@ON_LINUX
def test_the_idle_teams_threads_end_with_it() -> None:
    """In a process whose torch has two threads, whatever this one's has."""
    environ = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    ran = subprocess.run(
        [sys.executable, "-c", IDLE_TEAM], env=environ | {"OMP_NUM_THREADS": "2"}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["2", "0"], ran.stdout


@ON_LINUX
def test_threads_that_are_last_in_line_are_not_counted() -> None:
    from app.models.hashing import lower_priority

    last, over, told = "", threading.Event(), threading.Event()

    def wait() -> None:
        nonlocal last
        lower_priority()
        last = str(threading.get_native_id())
        told.set()
        over.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    told.wait()
    queued = queued_s()
    over.set()
    thread.join()
    assert last
    assert last not in queued
    assert str(threading.get_native_id()) in queued


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_a_user_has_set_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1000")
    assert not can_adapt()


def test_it_looks_only_while_there_is_work_and_ends_with_the_loop() -> None:
    looked = threading.Event()

    def queued() -> dict[str, float]:
        looked.set()
        return {}

    waits = Waits(queued)
    with waits:
        assert not looked.wait(0.1)
        waits.working(True)
        assert looked.wait(30)
    for thread in threading.enumerate():
        if thread.name == "waits":
            thread.join(30)
            assert not thread.is_alive()
