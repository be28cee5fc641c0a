"""Jobs from acceptance to the end, over a small engine with a thread of its own."""

import asyncio
import errno
import io
import logging
import os
import pickle
import sqlite3
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.engine.client import Done, Lost, Progress, Started, Stop
from app.jobs import ENDED, DiskFull, Jobs, OptionsStore
from app.jobs import pictures as pictures_module
from app.jobs.database import BadDatabase, JobRow
from app.jobs.live import LiveJob, Pace
from app.jobs.worker import Worker
from app.metadata import parse_infotext, read_picture
from app.schema.errors import EngineStopped, InvalidParams, NotFound
from app.schema.params import make_params

from .conftest import FlatEngine, name_checkpoint, pixels_of, wait_for


def small(**values):
    return make_params(**({"prompt": "a red house", "steps": 3, "width": 16, "height": 8, "seed": 100} | values))


def saved_files(jobs: Jobs) -> list[str]:
    return sorted(path.relative_to(jobs.outputs.root).as_posix() for path in jobs.outputs.root.rglob("*") if path.is_file())


# from the prompt to the file


def test_a_job_ends_with_its_pictures_on_disk(jobs):
    job = jobs.submit(small(batch_size=2, n_iter=2), client="me", task_id="task(mine)")
    view = jobs.wait(job, 10)
    assert (view.state, view.progress, view.error, view.interrupted) == ("done", 1.0, None, False)
    assert view.is_over and view.created <= view.started <= view.ended
    assert [p.number for p in view.pictures] == [0, 1, 2, 3] and [p.seed for p in view.pictures] == [100, 101, 102, 103]
    assert saved_files(jobs) == sorted(p.path for p in (*view.pictures, view.grid))
    for number, picture in enumerate(view.pictures):
        assert picture.path.endswith(f"/{number:05}-{picture.seed}.png") and picture.path.startswith("txt2img-images/")
        data = jobs.picture_bytes(picture.id)
        assert data == (jobs.outputs.root / picture.path).read_bytes()
        pixels = pixels_of(data)
        assert pixels.shape == (8, 16, 3) == (picture.height, picture.width, 3) and (pixels == picture.seed % 256).all()
        assert jobs.picture(picture.id) == picture
    assert jobs.by_task("task(mine)") == view and jobs.by_task("task(other)") is None


def test_a_picture_says_how_it_was_made(jobs):
    picture = jobs.wait(jobs.submit(small(n_iter=2, negative_prompt="fog"), client="me"), 10).pictures[1]
    record = read_picture(jobs.picture_bytes(picture.id))
    assert record.text == picture.infotext
    said = parse_infotext(picture.infotext)
    assert (said["Prompt"], said["Negative prompt"], said["Seed"], said["Steps"]) == ("a red house", "fog", "101", "3")
    assert (said["Size-1"], said["Size-2"], said["Model"], said["Model hash"]) == ("16", "8", "pocket", "485672b45d")
    assert said["Test field"] == "yes" and said["Version"]


def test_seeds_are_drawn_when_the_job_is_accepted(jobs, engine):
    seeds = {jobs.get(jobs.submit(small(seed=-1), client="me")).params.seed for _ in range(5)}
    assert len(seeds) == 5 and all(0 <= seed < 2**32 for seed in seeds)
    assert {job.params.seed for job in engine.jobs} == seeds
    assert jobs.get(jobs.submit(small(seed=2**64 - 1), client="me")).params.seed == 2**64 - 1


def test_names_are_resolved_before_the_row_is_written(settings, engine, options):
    def resolve(params):
        if params.checkpoint == "nope":
            raise InvalidParams("There is no checkpoint 'nope'.")
        return name_checkpoint(params)

    jobs = Jobs(settings, engine, options, resolve=resolve)
    with pytest.raises(InvalidParams):
        jobs.submit(small(checkpoint="nope"), client="me")
    assert jobs.list() == []
    assert jobs.get(jobs.submit(small(), client="me")).params.checkpoint == "pocket"
    jobs.close()


def test_the_row_is_there_before_the_engine_has_the_job(jobs, engine, settings):
    seen = []
    submit = engine.submit

    def look(job):
        with sqlite3.connect(settings.data_dir / "darkroom.sqlite3") as connection:
            seen.append(connection.execute("SELECT state FROM jobs WHERE id = ?", (job.id,)).fetchone())
        connection.close()
        submit(job)

    engine.submit = look
    jobs.submit(small(), client="me")
    assert seen == [("queued",)]


def test_img2img_takes_its_picture_from_the_store(jobs):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(buffer, "PNG")
    name = jobs.inputs.add(buffer.getvalue())
    view = jobs.wait(jobs.submit(small(mode="img2img", init_images=[name]), client="me"), 10)
    assert view.mode == "img2img" and view.pictures[0].path.startswith("img2img-images/")
    assert (pixels_of(jobs.picture_bytes(view.pictures[0].id)) == (1, 2, 3)).all()


def test_jobs_that_wait_hold_no_picture(jobs, engine):
    """A small file may unpack to 192 MB: it is decoded by the engine, when the job has come so far."""
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 4000), (1, 2, 3)).save(buffer, "PNG")
    name = jobs.inputs.add(buffer.getvalue())
    engine.free = False
    waiting = [jobs.submit(small(mode="img2img", init_images=[name]), client="me") for _ in range(8)]
    wait_for(lambda: len(engine.jobs) == 8)
    assert sum(len(pickle.dumps(job)) for job in engine.jobs) < 100_000
    engine.allow(1000)
    for job in waiting:
        assert (pixels_of(jobs.picture_bytes(jobs.wait(job, 10).pictures[0].id)) == (1, 2, 3)).all()


def test_more_input_pictures_than_a_batch_has_room_for(jobs):
    with pytest.raises(InvalidParams, match="at most one picture for each of a batch: 12 pictures for batch size 2"):
        small(mode="img2img", init_images=["0" * 64] * 12, batch_size=2)
    assert small(mode="img2img", init_images=["0" * 64] * 2, batch_size=2).pictures == 2


def test_an_input_picture_that_is_not_stored(jobs):
    with pytest.raises(NotFound, match="send it again"):
        jobs.submit(small(mode="img2img", init_images=["0" * 64]), client="me")
    with pytest.raises(NotFound, match="no such input picture"):
        jobs.submit(small(mode="img2img", init_images=[""]), client="me")
    assert jobs.list() == []


# what is told meanwhile


def test_progress_and_places_in_the_queue(jobs, engine):
    engine.free = False
    first = jobs.submit(small(n_iter=2), client="me")
    wait_for(lambda: jobs.get(first).state == "running")
    second, third = (jobs.submit(small(), client="you") for _ in range(2))
    assert [jobs.get(job).position for job in (first, second, third)] == [None, 1, 2]
    wait_for(lambda: jobs.get(first).loading == "pocket")
    assert jobs.get(first).progress == 0.0 and jobs.get(first).eta_s is None
    engine.allow(4)
    wait_for(lambda: jobs.get(first).batch == 1)
    view = jobs.get(first)
    assert (view.step, view.steps, view.batch, view.batches, view.loading) == (1, 3, 1, 2, None)
    assert view.progress == pytest.approx(4 / 6) and 0 <= view.eta_s < 10
    wait_for(lambda: jobs.get(first).pictures)
    assert [p.number for p in jobs.wait(first, 0).pictures] == [0], "wait gives the job as it stands after the time"
    assert jobs.current().id == first and jobs.current(client="you") is None
    assert [view.id for view in jobs.list(states={"queued"})] == [third, second]
    engine.free = True
    engine.allow(1)
    assert jobs.wait(third, 10).state == "done" and jobs.current() is None


def test_the_pace_counts_down_and_starts_again_after_a_load():
    now = [100.0]
    pace = Pace(clock=lambda: now[0])
    report = lambda step, batch=0: pace.mark(Progress("j", step, 10, batch, 2))  # noqa: E731
    report(1)
    assert pace.eta_s() is None, "one report says nothing about time"
    now[0] = 102.0
    report(2)
    assert pace.eta_s() == pytest.approx(18 * 2.0)
    now[0] = 103.0
    assert pace.eta_s() == pytest.approx(18 * 2.0 - 1.0)
    now[0] = 1000.0
    assert pace.eta_s() == 0.0
    pace.restart()
    assert pace.eta_s() is None
    report(0, batch=1)
    now[0] = 1001.0
    report(1, batch=1)
    assert pace.eta_s() == pytest.approx(9.0)


def test_the_events_of_a_job(jobs, engine):
    with jobs.subscribe("me") as mine, jobs.subscribe("you") as yours:
        job = jobs.submit(small(steps=2), client="me", task_id="task(1)")
        jobs.wait(job, 10)
        events = mine.take(0)
        assert yours.take(0) == []
    assert [(e.kind, e.job) for e in events] == [(kind, job) for kind in ("job", "job", "job", "picture", "ended")]
    assert [e.data for e in events[:2]] == [{"state": "queued", "position": 1, "task_id": "task(1)"}, {"state": "running", "loading": None}]
    assert events[2].data == {"state": "running", "loading": "pocket"}
    picture = jobs.get(job).pictures[0]
    assert events[3].data == {"id": picture.id, "number": 0, "seed": 100, "width": 16, "height": 8}
    assert events[4].data == {"state": "done", "interrupted": False, "pictures": 1, "error": None}
    ids = [e.id for e in events]
    assert ids == sorted(set(ids))
    assert [e.kind for e in jobs.subscribe("me", after=ids[2]).take(0)] == ["picture", "ended"]


def test_progress_events_while_a_job_runs(jobs, engine):
    engine.free = False
    with jobs.subscribe("me") as reader:
        job = jobs.submit(small(), client="me")
        engine.allow(2)
        wait_for(lambda: jobs.get(job).step == 2)
        told = {event.kind: event.data for event in reader.take(0)}
    assert told["progress"].items() >= {"fraction": 2 / 3, "step": 2, "steps": 3, "batch": 0, "batches": 1}.items()
    engine.free = True
    engine.allow(1)


def test_previews_are_encoded_when_asked_for(jobs, engine, options):
    engine.free = False
    job = jobs.submit(small(), client="me")
    assert jobs.preview(job) is None
    engine.allow(1)
    wait_for(lambda: jobs.preview(job))
    first = jobs.preview(job, client="me")
    assert (first.number, first.media_type) == (1, "image/png") and (pixels_of(first.data) == 0).all()
    assert jobs.preview(job) is first, "encoded once"
    engine.allow(1)
    wait_for(lambda: jobs.preview(job).number == 2)
    assert (pixels_of(jobs.preview(job).data) == 1).all()
    with pytest.raises(NotFound):
        jobs.preview(job, client="you")
    engine.free = True
    engine.allow(1)
    jobs.wait(job, 10)
    assert jobs.preview(job) is None
    with pytest.raises(NotFound):
        jobs.preview("nothing")


@pytest.mark.parametrize(("format", "media_type"), [("jpeg", "image/jpeg"), ("webp", "image/webp")])
def test_the_format_of_previews_is_an_option(jobs, engine, options, format, media_type):
    options.set_many({"live_previews_image_format": format})
    engine.free = False
    job = jobs.submit(small(), client="me")
    engine.allow(1)
    wait_for(lambda: jobs.preview(job))
    preview = jobs.preview(job)
    assert preview.media_type == media_type and Image.open(io.BytesIO(preview.data)).format == format.upper()
    engine.free = True
    engine.allow(1)


@pytest.mark.parametrize("setting", [{"live_previews_enable": False}, {"show_progress_every_n_steps": -1}])
def test_previews_can_be_switched_off(jobs, engine, options, setting):
    jobs.wait(jobs.submit(small(), client="me", options=options.override(setting)), 10)
    jobs.wait(jobs.submit(small(), client="me"), 10)
    assert [job.previews for job in engine.jobs] == [False, True], "of that request only"


# stopping


def running_job(jobs, engine, *, steps_done=1, **values):
    engine.free = False
    job = jobs.submit(small(**values), client=values.pop("client", "me"))
    engine.allow(steps_done)
    wait_for(lambda: jobs.get(job).step >= 1)
    return job


def test_interrupting_keeps_what_the_steps_so_far_have_made(jobs, engine):
    job = running_job(jobs, engine, n_iter=3)
    jobs.stop(job, Stop.INTERRUPT, client="me")
    view = jobs.wait(job, 10)
    assert (view.state, view.interrupted, len(view.pictures)) == ("done", True, 1)
    assert view.pictures[0].path is None, "A1111 does not save a picture that was cut short unless told to"
    assert pixels_of(jobs.picture_bytes(view.pictures[0].id)).shape == (8, 16, 3)
    jobs.stop(job, Stop.CANCEL)
    assert jobs.get(job) == view, "what has ended stays as it is"


def test_pictures_cut_short_are_saved_on_request(jobs, engine, options):
    options.set_many({"save_incomplete_images": True})
    job = running_job(jobs, engine)
    jobs.stop(job, Stop.INTERRUPT)
    assert jobs.wait(job, 10).pictures[0].path is not None


def test_skipping_goes_on_with_the_next_batch(jobs, engine):
    job = running_job(jobs, engine, n_iter=2)
    jobs.stop(job, Stop.SKIP)
    wait_for(lambda: jobs.get(job).pictures)
    engine.allow(3)
    view = jobs.wait(job, 10)
    assert (view.state, view.interrupted) == ("done", False)
    assert [p.path is None for p in view.pictures] == [True, False], "the second batch had all its steps"


def test_cancelling_makes_no_further_picture(jobs, engine):
    job = running_job(jobs, engine)
    waiting = jobs.submit(small(), client="me")
    jobs.stop(waiting, Stop.CANCEL)
    jobs.stop(job, Stop.CANCEL)
    assert jobs.wait(job, 10).state == jobs.wait(waiting, 10).state == "cancelled"
    assert jobs.get(job).pictures == () and saved_files(jobs) == []


def test_nobody_stops_another_clients_job(jobs, engine):
    job = running_job(jobs, engine)
    with pytest.raises(NotFound):
        jobs.stop(job, Stop.CANCEL, client="you")
    with pytest.raises(NotFound):
        jobs.stop("nothing", Stop.CANCEL)
    with pytest.raises(NotFound):
        jobs.get(job, client="you")
    assert jobs.get(job).state == "running"
    engine.allow(5)
    assert jobs.wait(job, 10).state == "done"


def test_stopping_without_a_name_takes_the_oldest_running_job(jobs, engine):
    assert jobs.stop_current(Stop.INTERRUPT) is None
    first = running_job(jobs, engine)
    second = jobs.submit(small(), client="you")
    assert jobs.stop_current(Stop.INTERRUPT, client="nobody") is None
    assert jobs.stop_current(Stop.INTERRUPT, client="you") == second
    assert jobs.stop_current(Stop.INTERRUPT) == first
    assert jobs.wait(first, 10).interrupted
    assert jobs.wait(second, 10).interrupted


def test_a_stop_between_acceptance_and_the_engine_is_not_lost(jobs, engine):
    submit, stops = engine.submit, []
    engine.stop_job, stop_job = (lambda job, how: (stops.append(how), stop_job(job, how))), engine.stop_job

    def slow(job):
        jobs.stop(job.id, Stop.CANCEL)
        assert stops == [], "the engine would not know the job yet"
        submit(job)

    engine.free, engine.submit = False, slow
    job = jobs.submit(small(), client="me")
    assert jobs.wait(job, 10).state == "cancelled" and stops == [Stop.CANCEL]


# several at once


def test_two_threads_submit_at_once(jobs):
    ids: list[str] = []

    def work(client: str) -> None:
        for i in range(10):
            ids.append(jobs.submit(small(seed=i), client=client))

    threads = [threading.Thread(target=work, args=(client,)) for client in ("me", "you")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    views = [jobs.wait(job, 10) for job in ids]
    assert len(set(ids)) == 20 and all(view.state == "done" for view in views)
    paths = [view.pictures[0].path for view in views]
    assert len(set(paths)) == 20 and saved_files(jobs) == sorted(paths)
    assert {path.rsplit("/", 1)[1][:5] for path in paths} == {f"{number:05}" for number in range(20)}
    mine = jobs.list(client="me")
    assert len(mine) == 10 and [view.created for view in mine] == sorted((view.created for view in mine), reverse=True)
    assert len(jobs.list(limit=7)) == 7 and len(jobs.list(states=ENDED, limit=7)) == 7


def test_lists_show_running_and_ended_jobs_alike(jobs, engine):
    done = jobs.submit(small(), client="me")
    jobs.wait(done, 10)
    job = running_job(jobs, engine)
    waiting = jobs.submit(small(), client="you")
    assert [(v.id, v.state) for v in jobs.list()] == [(waiting, "queued"), (job, "running"), (done, "done")]
    assert [v.id for v in jobs.list(states={"running", "done"})] == [job, done]
    assert [v.id for v in jobs.list(client="you", states={"running", "queued"})] == [waiting]
    assert jobs.by_task("none") is None
    engine.allow(9)


def test_waiting_in_asyncio(jobs, engine):
    engine.free = False
    job = jobs.submit(small(), client="me", task_id="t")

    async def both():
        early = await jobs.wait_async(job, 0.02)
        threading.Timer(0.05, engine.allow, (3,)).start()
        return early, *await asyncio.gather(*(jobs.wait_async(job, 10) for _ in range(3)))

    early, *views = asyncio.run(both())
    assert early.state in ("queued", "running") and [view.state for view in views] == ["done"] * 3
    assert asyncio.run(jobs.wait_async(job)).state == "done"
    with pytest.raises(NotFound):
        asyncio.run(jobs.wait_async("nothing"))
    with pytest.raises(NotFound):
        jobs.wait("nothing")


# what goes wrong


def test_a_job_that_fails_in_the_engine(jobs):
    view = jobs.wait(jobs.submit(small(prompt="explode"), client="me"), 10)
    assert (view.state, view.error.code, view.error.status, view.error.message) == ("failed", "internal", 500, "It went wrong inside.")
    assert len(view.pictures) == 1, "what was made before stays"


def test_an_engine_that_takes_no_jobs(jobs, engine):
    engine.fail_with = EngineStopped("The engine is gone.")
    with pytest.raises(EngineStopped):
        jobs.submit(small(), client="me")
    engine.fail_with = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        jobs.submit(small(), client="me")
    assert [(v.state, v.error.code) for v in jobs.list()] == [("failed", "internal"), ("failed", "engine_stopped")]


def fill_the_disk(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)


def test_a_full_disk_fails_the_job_and_keeps_the_picture(jobs, engine, monkeypatch, caplog):
    engine.free = False
    job = jobs.submit(small(n_iter=50), client="me")
    fill_the_disk(monkeypatch)
    engine.allow(3)
    view = jobs.wait(job, 10)
    assert (view.state, view.error.code, view.error.status) == ("failed", "disk_full", 507)
    assert view.error.message.startswith("The disk is full: the picture could not be saved.")
    assert len(view.pictures) == 1, "the rest is not made"
    assert view.pictures[0].path is None and (pixels_of(jobs.picture_bytes(view.pictures[0].id)) == 100).all()
    assert saved_files(jobs) == []
    assert "disk is full" in caplog.text
    monkeypatch.undo()
    engine.allow(3)
    assert jobs.wait(jobs.submit(small(), client="me"), 10).state == "done", "the next job is not harmed"


def test_a_disk_too_full_for_the_row_still_ends_the_job(jobs, engine, caplog):
    engine.free = False
    job = jobs.submit(small(), client="me", task_id="t")
    wait_for(lambda: jobs._database.job(job).state == "running")
    connection = jobs._database._connection
    connection.execute("PRAGMA query_only = ON")  # SQLite refuses to write: as on a disk that became read-only
    engine.allow(3)
    view = jobs.wait(job, 10)
    assert (view.state, view.error.code, len(view.pictures)) == ("failed", "cannot_save", 1)
    assert "could not be written down" in caplog.text
    assert jobs.picture(view.pictures[0].id) == view.pictures[0] == jobs.by_task("t").pictures[0]
    assert [v.state for v in jobs.list()] == ["failed"] == [v.state for v in jobs.list(states={"failed"})]
    jobs.stop(job, Stop.CANCEL)
    assert jobs.stop_current(Stop.CANCEL) is None
    connection.execute("PRAGMA query_only = OFF")


def damage(jobs):
    """Writes over every file of the job database, as a failing disk or a careless copy does."""
    for path in jobs._database._path.parent.glob("darkroom.sqlite3*"):
        if not path.name.endswith(".lock"):
            with path.open("r+b") as file:
                file.write(b"\xde\xad" * (path.stat().st_size // 2))


def test_a_database_that_is_damaged_in_mid_run_leaves_nobody_waiting(jobs, engine, caplog):
    engine.free = False
    job = jobs.submit(small(n_iter=2), client="me", task_id="t")
    wait_for(lambda: jobs._database.job(job).state == "running")
    damage(jobs)
    engine.allow(100)
    view = jobs.wait(job, 10)
    assert (view.state, view.error.code, view.error.status) == ("failed", "bad_database", 500)
    assert view.error.message == "darkroom.sqlite3 is damaged: move it away to start with an empty history."
    assert (pixels_of(jobs.picture_bytes(view.pictures[0].id)) == 100).all(), "what was made is there"
    assert "could not be written down" in caplog.text
    with pytest.raises(BadDatabase, match="is damaged"):
        jobs.submit(small(), client="me")


@pytest.mark.parametrize("fault", [sqlite3.OperationalError("no such table: jobs"), BadDatabase("damaged")])
@pytest.mark.parametrize("change", ["end_job", "set_started", "set_queued"])
def test_no_fault_of_the_database_leaves_anybody_waiting(jobs, engine, monkeypatch, change, fault):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(jobs._database, change, fail)
    engine.free = False
    job = jobs.submit(small(), client="me")
    wait_for(lambda: jobs.get(job).state == "running")
    if change == "set_queued":
        jobs._work.on_event(Lost(job, "a test", was_running=True))
        wait_for(lambda: jobs.get(job).crashes == 1)
    engine.allow(100)
    view = jobs.wait(job, 10)
    assert (view.state, len(view.pictures)) == ("done", 1)


def test_a_picture_whose_row_alone_was_refused_is_still_found(jobs, monkeypatch):
    """The disk was full for a moment: the picture has no row, but the job's end has."""

    def full(*_):
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(jobs._database, "add_picture", full)
    job = jobs.submit(small(), client="me", save=False)
    view = jobs.wait(job, 10)
    assert (view.state, view.error.code) == ("failed", "disk_full") and jobs._database.job(job).state == "failed"
    assert (pixels_of(jobs.picture_bytes(view.pictures[0].id)) == 100).all()
    assert jobs.get(job).pictures == view.pictures


def test_a_picture_that_cannot_be_encoded_fails_its_job_only(jobs, monkeypatch, caplog):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(pictures_module, "encode_picture", broken)
    view = jobs.wait(jobs.submit(small(), client="me"), 10)
    assert (view.state, view.error.code, view.pictures) == ("failed", "internal", ())
    assert "a bug" in caplog.text
    monkeypatch.undo()
    assert jobs.wait(jobs.submit(small(), client="me"), 10).state == "done"


def test_nothing_is_overwritten_over_restarts(settings, engine, options):
    for _ in range(2):
        jobs = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
        jobs.wait(jobs.submit(small(), client="me"), 10)
        jobs.close()
    assert [path[-13:] for path in saved_files(jobs)] == ["00000-100.png", "00001-100.png"]


def test_two_processes_on_one_folder_leave_each_others_jobs_alone(settings, options, jobs, engine):
    job = running_job(jobs, engine)
    other = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
    theirs = other.wait(other.submit(small(), client="you"), 10)
    other.close()
    assert jobs.get(job).state == "running" and jobs._database.job(job).state == "running"
    engine.allow(3)
    mine = jobs.wait(job, 10)
    assert mine.state == theirs.state == "done" and mine.pictures[0].path != theirs.pictures[0].path


def test_closing_puts_what_is_unfinished_back(settings, engine, options):
    engine.free = False
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    running, waiting = (jobs.submit(small(), client="me") for _ in range(2))
    wait_for(lambda: jobs.get(running).state == "running")
    reader = jobs.subscribe()
    jobs.close()
    jobs.close()
    assert [(e.kind, e.data["state"]) for e in reader.take(0) if e.kind in ("job", "ended")] == [("job", "queued")] * 2
    assert reader.is_over
    with pytest.raises(EngineStopped):
        jobs.submit(small(), client="me")
    after = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
    assert [after.wait(job, 10).state for job in (running, waiting)] == ["done"] * 2
    assert after.get(running).crashes == 0
    after.close()


def test_jobs_that_the_engine_forgets_go_on_after_the_close(settings, engine, options):
    engine.submit = lambda job: None
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    job = jobs.submit(small(), client="me")
    live = jobs._work.live[job]
    jobs.close()
    assert live.state == "queued" and live.over.done()


def test_events_for_jobs_that_are_over_or_unknown_change_nothing(jobs, engine):
    job = jobs.submit(small(), client="me")
    view = jobs.wait(job, 10)
    for event in (Started(job), Done(job), Done("nothing")):
        jobs._work.on_event(event)
    assert jobs.get(job) == view
    live = LiveJob(JobRow(id="x", client="me", task_id=None, params=view.params, save=True, created=0.0), jobs.options.view())
    live.ended = 1.0
    jobs._work.end(live, "done", None)
    assert live.state == "queued" and not live.over.done()


# saving or not, and the options


def test_unsaved_pictures_stay_in_memory_for_a_while(settings, engine, options):
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, memory_bytes=1)
    first = jobs.wait(jobs.submit(small(), client="api", save=False), 10).pictures[0]
    assert first.path is None and (pixels_of(jobs.picture_bytes(first.id)) == 100).all()
    second = jobs.wait(jobs.submit(small(seed=7), client="api", save=False), 10).pictures[0]
    assert (pixels_of(jobs.picture_bytes(second.id)) == 7).all()
    with pytest.raises(NotFound, match="no longer kept"):
        jobs.picture_bytes(first.id)
    assert jobs.picture(first.id) == first, "what is known of it stays"
    assert saved_files(jobs) == []
    jobs.close()


def test_pictures_that_are_not_there(jobs):
    with pytest.raises(NotFound):
        jobs.picture_bytes("nothing")
    picture = jobs.wait(jobs.submit(small(), client="me"), 10).pictures[0]
    (jobs.outputs.root / picture.path).unlink()
    with pytest.raises(NotFound, match="no longer in the outputs folder"):
        jobs.picture_bytes(picture.id)


def test_saving_can_be_switched_off(jobs, options):
    options.set_many({"samples_save": False})
    assert jobs.wait(jobs.submit(small(), client="me"), 10).pictures[0].path is None
    job = jobs.submit(small(), client="me", options=options.override({"samples_save": True}))
    assert jobs.wait(job, 10).pictures[0].path is not None
    assert jobs.wait(jobs.submit(small(), client="me"), 10).pictures[0].path is None


@pytest.mark.parametrize(("format", "opened"), [("jpg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
def test_the_format_of_pictures_is_an_option(jobs, options, format, opened):
    options.set_many({"samples_format": format, "jpeg_quality": 95.0})
    picture = jobs.wait(jobs.submit(small(), client="me"), 10).pictures[0]
    assert picture.path.endswith(f"00000-100.{format}") and picture.format == format
    data = jobs.picture_bytes(picture.id)
    assert Image.open(io.BytesIO(data)).format == opened and read_picture(data).text == picture.infotext


def test_a_picture_too_long_for_its_format_is_saved_as_png(jobs, options, caplog):
    job = jobs.submit(small(width=16384), client="me", options=options.override({"samples_format": "webp"}))
    picture = jobs.wait(job, 20).pictures[0]
    assert (picture.format, picture.width) == ("png", 16384) and picture.path.endswith(".png")
    assert "saved as PNG" in caplog.text


def test_the_infotext_follows_the_options(jobs, options):
    quiet = {"add_model_name_to_info": False, "add_model_hash_to_info": False, "add_version_to_infotext": False}
    picture = jobs.wait(jobs.submit(small(), client="me", options=options.override(quiet)), 10).pictures[0]
    assert "Seed: 100" in picture.infotext and "Model" not in picture.infotext and "Version" not in picture.infotext
    bare = jobs.wait(jobs.submit(small(), client="me", options=options.override({"enable_pnginfo": False})), 10).pictures[0]
    assert "Model: pocket" in bare.infotext and not read_picture(jobs.picture_bytes(bare.id)).text


def test_what_a_request_overrides_is_written_with_the_job(jobs, options, settings):
    jobs.wait(jobs.submit(small(), client="me", options=options.override({"enable_pnginfo": False, "samples_save": True})), 10)
    with sqlite3.connect(settings.data_dir / "darkroom.sqlite3") as connection:
        assert connection.execute("SELECT options FROM jobs").fetchone() == ('{"enable_pnginfo": false}',)
    connection.close()


# the worker


def test_a_slow_disk_slows_the_engine_instead_of_filling_the_memory():
    worker, gate, done = Worker("slow", capacity=2), threading.Event(), []
    worker.put(gate.wait)
    wait_for(worker._tasks.empty)
    worker.put(lambda: done.append(1))
    worker.put(lambda: done.append(2))
    blocked = threading.Thread(target=worker.put, args=(lambda: done.append(3),))
    blocked.start()
    time.sleep(0.05)
    assert blocked.is_alive() and done == []
    gate.set()
    blocked.join(10)
    worker.close()
    assert done == [1, 2, 3]


def test_a_task_that_fails_does_not_end_the_worker(caplog):
    done: list[int] = []
    worker = Worker("brittle")
    with caplog.at_level(logging.ERROR):
        worker.put(lambda: np.zeros(1)[5])
        worker.put(lambda: done.append(1))
        worker.close()
    assert done == [1] and "a task of brittle failed" in caplog.text


def test_a_data_folder_that_cannot_be_made(settings, engine, tmp_path):
    (tmp_path / "data").write_text("I am a file")
    with pytest.raises(Exception, match=r"^The data folder could not be saved"):
        Jobs(replace_dir(settings, tmp_path), engine, OptionsStore(tmp_path / "c.json"), resolve=name_checkpoint)


def replace_dir(settings, tmp_path):
    return settings.model_copy(update={"data_dir": tmp_path / "data" / "deeper"})


def test_views_do_not_change_under_their_readers(jobs):
    view = jobs.wait(jobs.submit(small(), client="me"), 10)
    with pytest.raises(AttributeError):
        view.state = "queued"
    assert replace(view, state="failed").is_over
