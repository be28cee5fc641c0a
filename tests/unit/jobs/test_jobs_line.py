"""Who is handed to the engine next: fair, in order, held back, one suspect at a time."""

from dataclasses import dataclass

from app.engine.client import Stop
from app.jobs.figures import Figures
from app.jobs.line import EVERYBODY, capacity_of, moved, next_in_line, weight_of

from .conftest import wait_for
from .test_jobs_queue import small


@dataclass(eq=False)
class Entry:
    client: str
    place: float
    weight: float = 2.0
    suspect: bool = False


def handed_over(waiting, capacity=8.0, paused=(), working=()):
    """The order in which jobs leave the line while none ends."""
    line, at_work = list(waiting), list(working)
    while (chosen := next_in_line(line, at_work, capacity, paused)) is not None:
        line.remove(chosen)
        at_work.append(chosen)
    return at_work[len(working) :]


def test_the_engine_is_given_what_it_has_room_for_and_clients_take_turns():
    many = [Entry("many", place) for place in range(6)]
    few = [Entry("few", 10), Entry("few", 11)]
    assert handed_over([*many, *few]) == [many[0], few[0], many[1], few[1]]


def test_a_newcomer_is_served_even_when_the_engine_is_full():
    full = [Entry("many", place) for place in range(4)]
    late = Entry("late", 99, weight=50.0)
    assert handed_over([late, Entry("many", 5)], working=full) == [late]
    assert handed_over([Entry("big", 0, weight=1000.0)])[0].weight == 1000.0


def test_what_is_held_back_stays():
    mine, theirs = Entry("me", 0), Entry("you", 1)
    assert handed_over([mine, theirs], paused={"me"}) == [theirs]
    assert handed_over([mine, theirs], paused={EVERYBODY}) == []


def test_one_suspect_at_a_time_and_others_beside_it():
    suspects = [Entry("me", 0, suspect=True), Entry("you", 1, suspect=True)]
    other = Entry("me", 2)
    assert handed_over([*suspects, other]) == [suspects[0], other]


def test_moving_exchanges_the_places_that_are_there():
    a, b, c = Entry("me", 1.0), Entry("me", 4.0), Entry("me", 7.0)
    assert moved([a, b, c], c, 1) == [(c, 1.0), (a, 4.0), (b, 7.0)]
    assert moved([a, b, c], a, 2) == [(b, 1.0), (a, 4.0)]
    assert moved([a, b, c], b, 2) == [] == moved([a, b, c], c, 99)


def test_weights_and_room():
    assert weight_of(2, 512, 512) == 8.0 and weight_of(2, 64, 64) == 2.0
    assert capacity_of("cuda:1") > capacity_of("cpu") == capacity_of("starting")


def test_the_pace_counts_the_time_in_which_something_was_made():
    now = [0.0]
    figures = Figures(lambda: now[0])
    assert figures.seconds_for(10.0) is None
    for _ in range(20):
        now[0] += 1.0
        figures.progressed(4.0)
    assert abs(figures.seconds_for(8.0) - 2.0) < 1e-9
    now[0] += 3600.0  # a night
    figures.progressed(4.0)
    assert figures.seconds_for(8.0) < 30.0
    figures.picture_made()
    now[0] += 59.0
    figures.picture_made()
    assert figures.pictures_a_minute() == 2
    now[0] += 2.0
    assert (figures.pictures_a_minute(), figures.pictures) == (1, 2)


def test_the_line_is_moved_paused_and_dropped(jobs, engine):
    engine.free = False
    front = jobs.submit(small(width=2048, height=2048), client="me")  # more than the engine is given beside it
    wait_for(lambda: jobs.get(front).state == "running")
    line = [jobs.submit(small(seed=seed, width=512, height=512), client="me") for seed in range(4)]
    assert [jobs.get(job).position for job in line] == [1, 2, 3, 4] and len(engine.jobs) == 1
    jobs.move(line[3], 1, client="me")
    assert [jobs.get(job).position for job in line] == [2, 3, 4, 1]
    jobs.stop(line[0], Stop.CANCEL)
    assert jobs.wait(line[0], 10).state == "cancelled"
    jobs.stop(line[1], Stop.INTERRUPT)
    assert (jobs.wait(line[1], 10).state, jobs.get(line[1]).interrupted) == ("done", True)
    jobs.pause(None, True)
    engine.free = True
    engine.allow(1)
    assert jobs.wait(front, 10).state == "done"
    assert [jobs.get(job).state for job in line[2:]] == ["queued"] * 2 and jobs.is_paused("me")
    jobs.pause(None, False)
    assert [jobs.wait(job, 10).state for job in line[2:]] == ["done"] * 2
    assert [job.params.seed for job in engine.jobs] == [100, 3, 2]
    assert set(jobs.get(front).seconds) == {"queue", "save"}
