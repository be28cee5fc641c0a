"""The stream of events: order, replay, what a slow reader loses, waiting in threads and in asyncio."""

import asyncio
import threading
import time

from app.jobs.events import EventLog, Subscription
from app.jobs.memory import PictureMemory


def publish(log: EventLog, *kinds: str, job: str = "j", client: str = "c") -> None:
    for kind in kinds:
        log.publish(kind, job, client, {"of": kind})


def kinds(subscription: Subscription) -> list[str]:
    return [event.kind for event in subscription.take(0)]


def test_events_come_in_order_and_once():
    log = EventLog()
    publish(log, "job")
    with log.subscribe(None) as reader:
        assert kinds(reader) == [], "only what happens from now on"
        publish(log, "job", "picture")
        events = reader.take(0)
        assert [event.kind for event in events] == ["job", "picture"]
        assert events[0].id < events[1].id
        assert (events[0].job, events[0].client, events[0].data) == ("j", "c", {"of": "job"})
        assert kinds(reader) == [] and not reader.missed


def test_each_client_sees_its_own():
    log = EventLog()
    mine, all_of_them = log.subscribe("me"), log.subscribe(None)
    publish(log, "job", client="you")
    publish(log, "picture", client="me")
    assert kinds(mine) == ["picture"] and kinds(all_of_them) == ["job", "picture"]


def test_a_reader_comes_back_to_its_place():
    log = EventLog()
    with log.subscribe(None) as reader:
        publish(log, "job", "picture", "picture")
        place = reader.take(0)[1].id
    publish(log, "ended")
    assert kinds(log.subscribe(None, after=place)) == ["picture", "ended"]


def test_only_the_newest_progress_is_kept():
    log = EventLog()
    reader = log.subscribe(None)
    publish(log, "progress", "preview", "picture", "progress", "preview")
    publish(log, "progress", job="other")
    assert [(e.job, e.kind) for e in reader.take(0)] == [("j", "picture"), ("j", "progress"), ("j", "preview"), ("other", "progress")]
    publish(log, "progress", "preview", "ended")
    assert kinds(reader) == ["ended"], "progress of a job that is over says nothing"
    assert not reader.missed


def test_a_slow_reader_is_told_that_it_missed_something():
    log = EventLog(backlog=3)
    slow = log.subscribe(None)
    publish(log, *["picture"] * 5)
    assert len(slow.take(0)) == 3 and slow.missed


def test_places_stay_meaningful_over_a_restart():
    first = EventLog()
    reader = first.subscribe(None)
    publish(first, "job")
    place = reader.take(0)[0].id
    time.sleep(0.005)  # numbers start at the clock's milliseconds
    second = EventLog()
    back = second.subscribe(None, after=place)
    publish(second, "job")
    events = back.take(0)
    assert len(events) == 1 and events[0].id > place and back.missed
    ahead = second.subscribe(None, after=events[0].id + 10**9)
    publish(second, "ended")
    assert kinds(ahead) == ["ended"] and ahead.missed, "a place from a clock that was set back"


def test_having_missed_something_is_news():
    """A reader that comes back after a restart is told at once, not with the next event."""
    log = EventLog()
    for after in (1, 10**18):
        for take in (lambda reader: reader.take(60), lambda reader: asyncio.run(reader.take_async(60))):
            reader = log.subscribe(None, after=after)
            start = time.monotonic()
            assert take(reader) == [] and reader.missed and time.monotonic() - start < 30
            reader.missed = False
            assert reader.take(0.02) == [] and not reader.missed, "told once"


def test_taking_waits_for_news():
    log = EventLog()
    reader = log.subscribe(None)
    timer = threading.Timer(0.05, publish, (log, "job"))
    timer.start()
    assert [event.kind for event in reader.take(10)] == ["job"]
    start = time.monotonic()
    assert reader.take(0.05) == [] and time.monotonic() - start >= 0.05
    timer.join()


def test_closing_wakes_a_waiting_thread():
    for closes in ("log", "reader"):
        log = EventLog()
        reader = log.subscribe(None)
        got = []
        thread = threading.Thread(target=lambda reader=reader, got=got: got.append(reader.take()))
        thread.start()
        (log if closes == "log" else reader).close()
        thread.join(10)
        assert got == [[]] and reader.is_over


def test_asyncio_readers_wait_without_a_thread():
    log = EventLog()

    async def read() -> list[str]:
        with log.subscribe(None) as reader:
            timer = threading.Timer(0.05, publish, (log, "job", "picture"))
            timer.start()
            found = [event.kind for event in await reader.take_async(10)]
            while len(found) < 2:
                found += [event.kind for event in await reader.take_async(10)]
            assert await reader.take_async(0.02) == []
            threading.Timer(0.05, log.close).start()
            assert await reader.take_async(10) == [] and reader.is_over
            return found

    assert asyncio.run(read()) == ["job", "picture"]
    assert not log._wakers


def test_a_reader_whose_loop_is_gone_stops_nobody():
    log = EventLog()
    loop = asyncio.new_event_loop()
    task = loop.create_task(log.subscribe(None).take_async())
    loop.run_until_complete(asyncio.sleep(0))
    wakers = set(log._wakers)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    log._wakers |= wakers  # as if the loop had been closed under the waiting task
    publish(log, "job")
    assert wakers and kinds(log.subscribe(None, after=0)) == ["job"]


def test_memory_keeps_the_recently_used():
    memory = PictureMemory(10)
    memory.put("a", b"xxxx")
    memory.put("b", b"yyyy")
    assert memory.get("a") == b"xxxx"
    memory.put("c", b"zzzz")
    assert memory.get("b") is None and memory.get("a") and memory.get("c")
    memory.put("a", b"x")
    memory.put("d", b"wwwww")
    assert memory.get("c") == b"zzzz" and memory.get("a") == b"x", "a smaller version freed its room"
    memory.put("huge", b"h" * 50)
    assert memory.get("huge") == b"h" * 50 and memory.get("a") is None, "the newest always stays"
