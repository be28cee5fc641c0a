"""Scripts through the queue: one job to everybody, several to the engine, and the same again after a restart."""

from threading import Event

import numpy as np
import pytest

from app.engine.client import Lost, PictureDone, Started, Stop
from app.jobs import Jobs
from app.jobs.pictures import Pictures
from app.jobs.script_runs import shared_out
from app.schema.errors import InvalidParams, UnknownName
from app.schema.params import make_params
from app.schema.scripts import ScriptCall
from app.scripts import Draw, Outcome, Plan, Script, ScriptTable, Show, Store, Task
from tests.support.pictures import png

from .conftest import SHA256, FlatEngine, name_checkpoint, pixels_of, wait_for

MATRIX = ScriptCall(name="prompt matrix", arguments=(False, True, "positive", "comma", 0))


def small(**values):
    return make_params(**({"prompt": "a house|red|old", "steps": 3, "width": 16, "height": 8, "seed": 100} | values))


def test_a_script_is_one_job_with_its_pictures_and_its_grid(jobs, engine):
    job = jobs.submit(small(), client="me", script=MATRIX)
    view = jobs.wait(job, 10)
    assert (view.state, view.error, view.progress) == ("done", None, 1.0)
    assert [each.params.prompt for each in engine.jobs] == ["a house", "a house, red", "a house, old", "a house, red, old"]
    assert [(p.number, p.seed) for p in view.pictures] == [(0, 100), (1, 101), (2, 102), (3, 103)]
    assert view.grid is not None and view.grid.path.startswith("txt2img-grids/")
    assert [p.path.split("/")[-1] for p in view.pictures] == [f"{n:05}-{100 + n}.png" for n in range(4)]
    assert view.outcome.images == (-1, 0, 1, 2, 3) and [p.number for p in view.shown] == [-1, 0, 1, 2, 3]
    assert jobs.list("me") == [view] and jobs.get(job).script.arguments == MATRIX.arguments
    assert (pixels_of(jobs.picture_bytes(view.pictures[2].id)) == 102).all()


def test_its_jobs_are_with_the_engine_together_and_nobody_elses_business(jobs, engine):
    engine.free = False
    job = jobs.submit(small(), client="me", script=MATRIX)
    wait_for(lambda: len(engine.jobs) == 4)
    assert [view.id for view in jobs.list(None, ["queued", "running"])] == [job]
    assert jobs.counts().running + jobs.counts().queued == 1
    engine.allow(4)
    wait_for(lambda: jobs.get(job).progress > 0.3)
    assert jobs.current(client="me").id == job and jobs.get(job).batches == 4 and jobs.get(job).batch == 1
    engine.free = True
    engine.allow(0)
    assert jobs.wait(job, 10).state == "done"


@pytest.mark.parametrize(("how", "state", "count"), [(Stop.CANCEL, "cancelled", 1), (Stop.INTERRUPT, "done", 2)])
def test_stopping_a_script_stops_all_of_it_and_keeps_what_is_done(jobs, engine, how, state, count):
    engine.free = False
    job = jobs.submit(small(), client="me", script=MATRIX)
    engine.allow(4)  # the first picture, and a step of the second
    wait_for(lambda: len(jobs.get(job).pictures) == 1)
    wait_for(lambda: jobs.get(job).progress > 0.3)
    jobs.stop(job, how)
    view = jobs.wait(job, 10)
    assert (view.state, view.outcome, view.interrupted) == (state, None, how is Stop.INTERRUPT)
    # An interrupted job gives what its steps so far have made, as others do.
    assert len(view.pictures) >= count
    assert all(jobs.picture_bytes(picture.id) for picture in view.pictures)
    assert jobs.list(None, ["queued", "running"]) == []


def test_a_skip_ends_the_picture_that_is_drawn_and_the_script_goes_on(jobs, engine):
    engine.free = False
    job = jobs.submit(small(), client="me", script=MATRIX)
    engine.allow(1)
    wait_for(lambda: jobs.get(job).progress > 0)
    jobs.stop(job, Stop.SKIP)
    wait_for(lambda: len(jobs.get(job).pictures) == 1)
    engine.free = True
    engine.allow(0)
    view = jobs.wait(job, 10)
    assert view.state == "done" and len(view.pictures) == 4 and view.grid is not None


def test_a_job_that_fails_ends_the_script_with_its_sentence(jobs):
    job = jobs.submit(small(prompt="a|b", negative_prompt=""), client="me", script=MATRIX)
    assert jobs.wait(job, 10).state == "done"
    view = jobs.wait(jobs.submit(small(prompt="explode"), client="me", script=MATRIX), 10)
    assert view.state == "failed" and view.error.message == "It went wrong inside."


def test_wrong_arguments_are_refused_before_anything_is_written_down(jobs, engine):
    with pytest.raises(InvalidParams, match=r"takes 5 script_args .* 1 were given"):
        jobs.submit(small(), client="me", script=ScriptCall(name="prompt matrix", arguments=(False,)))
    with pytest.raises(UnknownName, match="There is no script 'nope'"):
        jobs.submit(small(), client="me", script=ScriptCall(name="nope"))
    assert jobs.list() == [] and engine.jobs == []


def test_a_script_goes_on_after_a_restart_and_makes_no_picture_twice(jobs, engine, settings, options):
    engine.free = False
    job = jobs.submit(small(), client="me", script=MATRIX)
    engine.allow(6)
    wait_for(lambda: len(jobs.get(job).pictures) == 2)
    first = {picture.number: picture.id for picture in jobs.get(job).pictures}
    jobs.close()
    again = FlatEngine()
    following = Jobs(settings, again, options, resolve=name_checkpoint)
    try:
        view = following.wait(job, 10)
        assert view.state == "done" and view.grid is not None and len(view.pictures) == 4
        assert {picture.number: picture.id for picture in view.pictures if picture.number < 2} == first
        assert [each.params.seed for each in again.jobs] == [102, 103], "the first two are there already"
        grid = pixels_of(following.picture_bytes(view.grid.id))
        assert {int(value) for value in np.unique(grid)} >= {100, 101, 102, 103}
    finally:
        following.close()


def test_a_script_again_makes_the_same_pictures(jobs):
    first = jobs.wait(jobs.submit(small(), client="me", script=MATRIX), 10)
    second = jobs.wait(jobs.again(first.id), 10)
    assert [p.seed for p in second.pictures] == [p.seed for p in first.pictures] and second.script.name == "prompt matrix"


def test_unsaved_pictures_of_a_script_stay_in_memory(jobs):
    view = jobs.wait(jobs.submit(small(), client="me", save=False, script=MATRIX), 10)
    assert [picture.path for picture in view.shown] == [None] * 5 and jobs.picture_bytes(view.grid.id)


def test_a_lossy_format_does_not_reach_what_a_script_draws_on(jobs, engine, options):
    options.set_many({"samples_format": "jpg"})
    start = jobs.inputs.add(png((16, 8), (200, 30, 90)))
    call = ScriptCall(name="loopback", arguments=(3, 0.5, "Linear", "None"))
    params = small(prompt="a house", mode="img2img", init_images=(start,), denoising_strength=0.5)
    view = jobs.wait(jobs.submit(params, client="me", script=call), 10)
    assert [picture.format for picture in view.pictures] == ["jpg"] * 3
    # The engine of this test paints in the colour of what it is given: each picture is exactly the one before it.
    assert [tuple(each.images[0]()[0, 0]) for each in engine.jobs] == [(200, 30, 90)] * 3


LOOPS = ScriptCall(name="loopback", arguments=(2, 0.5, "Linear", "None"))
LINES = ScriptCall(name="prompts from file or textbox", arguments=(False, False, "start", "a tree\na lake"))


@pytest.mark.parametrize(("call", "answered"), [(LOOPS, [None, None, None]), (LINES, [None, 0, None, 1])], ids=["loopback", "lines"])
def test_masks_of_a_scripts_pictures_are_kept_and_in_the_answer_where_a1111_has_them(jobs, options, call, answered):
    options.set_many({"save_to_dirs": False, "samples_filename_pattern": "[seed]"})
    start, mask = jobs.inputs.add(png((16, 8))), jobs.inputs.add_mask(png((16, 8)))
    params = small(prompt="a house", mode="img2img", init_images=(start,), mask=mask, return_mask=True, save_mask_composite=True)
    view = jobs.wait(jobs.submit(params, client="me", script=call), 10)
    assert view.state == "done" and [picture.number for picture in view.pictures] == [0, 1]
    assert [one.beside for one in view.beside] == [0, 1] and all(jobs.picture_bytes(one.id) for one in view.beside)
    assert [one.beside for one in view.shown] == answered
    files = sorted(path.name for path in (jobs.outputs.root / "img2img-images").iterdir())
    assert [name.endswith("-mask-composite.png") for name in files] == [False, True, False, True]
    assert jobs.list("me")[0].beside == view.beside


def test_a_table_takes_further_scripts(settings, engine, options):
    def plan(setting, given):
        def steps():
            image = (yield Draw((Task(params=setting.changed(seed=7)),)))[0][0]
            name = yield Store(image.open())
            yield Show(0, image.open(), image.infotext, image)
            return Outcome(images=(0,), infotexts=(name,))

        return Plan(steps(), 1)

    script = Script("twice", "Twice", ("txt2img",), lambda mode: (), plan)
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, scripts=ScriptTable().and_also(script))
    try:
        view = jobs.wait(jobs.submit(small(), client="me", script=ScriptCall(name="Twice")), 10)
        assert view.state == "done" and view.pictures[0].seed == 7 and jobs.inputs.load(view.outcome.infotexts[0]).shape == (8, 16, 3)
        assert [each.name for each in jobs.scripts.of("txt2img")][-1] == "twice"
    finally:
        jobs.close()


def test_a_plan_that_breaks_fails_its_job_alone(settings, engine, options):
    def plan(setting, given):
        def steps():
            yield Draw((Task(params=setting.params, shown=0),))
            raise RuntimeError("a mistake of the script's")

        return Plan(steps(), 1)

    script = Script("broken", "Broken", ("txt2img",), lambda mode: (), plan)
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, scripts=ScriptTable().and_also(script))
    try:
        view = jobs.wait(jobs.submit(small(), client="me", script=ScriptCall(name="broken")), 10)
        assert view.state == "failed" and view.error.code == "internal" and len(view.pictures) == 1
        assert jobs.wait(jobs.submit(small(), client="me"), 10).state == "done"
    finally:
        jobs.close()


def table_with(plan):
    return ScriptTable().and_also(Script("own", "Own", ("txt2img",), lambda mode: (), plan))


@pytest.mark.parametrize(("how", "state"), [(Stop.CANCEL, "cancelled"), (Stop.INTERRUPT, "done")])
def test_a_stop_while_the_plan_is_thinking_is_not_lost(settings, engine, options, how, state):
    thinking, go_on = Event(), Event()

    def plan(setting, given):
        def steps():
            thinking.set()
            assert go_on.wait(10)
            yield Draw(tuple(Task(params=setting.changed(seed=seed), shown=seed) for seed in range(3)))
            raise AssertionError("nothing follows a stop")

        return Plan(steps(), 3)

    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, scripts=table_with(plan))
    try:
        job = jobs.submit(small(), client="me", script=ScriptCall(name="own"))
        assert thinking.wait(10)
        jobs.stop(job, how)
        go_on.set()
        view = jobs.wait(job, 10)
        assert (view.state, view.error, view.pictures, engine.jobs) == (state, None, (), [])
    finally:
        jobs.close()


def test_a_step_that_asks_for_too_much_fails_with_a_sentence(settings, engine, options):
    def plan(setting, given):
        def steps():
            yield Draw((Task(params=setting.params),), of=10_001)
            raise AssertionError("nothing follows")

        return Plan(steps(), 1)

    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, scripts=table_with(plan))
    try:
        view = jobs.wait(jobs.submit(small(), client="me", script=ScriptCall(name="own")), 10)
        assert view.state == "failed" and view.error.message == "The script would make 10001 jobs; the limit is 10000." and not engine.jobs
    finally:
        jobs.close()


@pytest.mark.parametrize(("opens", "state"), [(True, "done"), (False, "failed")])
def test_pixels_are_kept_only_for_plans_that_open_them(settings, engine, options, opens, state):
    def plan(setting, given):
        def steps():
            drawn = yield Draw((Task(params=setting.params, shown=0),))
            for file in settings.data_dir.rglob("*.jpg"):
                file.unlink()
            assert drawn[0][0].open().size == (16, 8)  # without its file from memory alone
            return Outcome(images=(0,), infotexts=(0,))

        return Plan(steps(), 1, opens=opens)

    options.set_many({"samples_format": "jpg"})
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint, scripts=table_with(plan))
    try:
        view = jobs.wait(jobs.submit(small(), client="me", script=ScriptCall(name="own")), 10)
        assert view.state == state and (view.error is None or view.error.code == "not_found")
    finally:
        jobs.close()


def test_a_picture_that_cannot_be_taken_fails_the_script(jobs, engine, monkeypatch):
    keep = Pictures.keep

    def broken(self, row, options, event, **more):
        if event.index == 1:
            raise RuntimeError("a mistake")
        return keep(self, row, options, event, **more)

    monkeypatch.setattr(Pictures, "keep", broken)
    call = ScriptCall(name="prompts from file or textbox", arguments=(True, False, "start", "a"))
    view = jobs.wait(jobs.submit(small(prompt="", batch_size=2), client="me", script=call), 10)
    assert view.state == "failed" and view.error.code == "internal" and len(view.pictures) == 1
    assert jobs.list(None, ["queued", "running"]) == []


def test_a_first_pass_that_cannot_be_saved_fails_the_script(jobs, engine, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a mistake")

    monkeypatch.setattr("app.jobs.pictures.Pictures.save_first_pass", broken)
    params = small(enable_hr=True, denoising_strength=0.5, save_images_before_highres_fix=True)
    view = jobs.wait(jobs.submit(params, client="me", script=MATRIX), 10)
    assert view.state == "failed" and view.error.code == "internal"


def test_time_that_jobs_spend_in_company_is_counted_once():
    assert shared_out({"queue": 5.0, "steps": 30.0, "decode": 10.0}, 20.0) == {"queue": 5.0, "steps": 15.0, "decode": 5.0}
    assert shared_out({"queue": 5.0, "steps": 3.0}, 20.0) == {"queue": 5.0, "steps": 3.0} and shared_out({}, 1.0) == {}


class DyingEngine(FlatEngine):
    """Dies once, after the first picture of the first job."""

    died = False

    def _make(self, job):
        if self.died:
            return super()._make(job)
        self.died = True
        self._tell(Started(job.id))
        self._tell(PictureDone(job.id, 0, np.full((8, 16, 3), job.params.seed % 256, np.uint8), job.params.seed, "pocket", SHA256, {}))
        return Lost(job.id, "a fault", True)


def test_a_script_outlives_the_engine_and_counts_each_picture_once(settings, options):
    engine = DyingEngine()
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    try:
        call = ScriptCall(name="prompts from file or textbox", arguments=(True, False, "start", "a\nb"))
        view = jobs.wait(jobs.submit(small(prompt="", batch_size=2), client="me", script=call), 10)
        assert engine.died and view.state == "done" and view.error is None
        assert [(picture.number, picture.seed) for picture in view.pictures] == [(0, 100), (1, 101), (2, 102), (3, 103)]
        assert view.outcome.images == (0, 1, 2, 3) and len(saved := list(jobs.outputs.root.rglob("*.png"))) == 4, saved
    finally:
        jobs.close()
