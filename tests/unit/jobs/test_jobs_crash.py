"""What a process that is killed with SIGKILL leaves behind, and what the next one makes of it."""

import signal
import subprocess
import sys

import pytest

from app.jobs import Jobs
from tests.support.paths import ROOT

from .conftest import FlatEngine, name_checkpoint, wait_for


def killed(settings, moment: str, n_iter: int = 3) -> list[str]:
    """Runs `dying.py` to its end; the ids of the jobs it has taken."""
    command = [sys.executable, "-m", "tests.unit.jobs.dying", str(settings.data_dir), moment, str(n_iter)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()


def files_of(jobs: Jobs) -> list[str]:
    pictures = jobs.outputs.root / "txt2img-images"
    return sorted(path.relative_to(jobs.outputs.root).as_posix() for path in pictures.rglob("*") if path.is_file())


def test_jobs_are_made_with_the_same_seeds_and_finished_pictures_are_kept(settings, options):
    ids = killed(settings, "at work")
    inputs = settings.data_dir / "cache" / "inputs"
    inputs.mkdir(parents=True)
    (inputs / ".abc.png.1.tmp").write_bytes(b"half")
    engine = FlatEngine()
    engine.free = False
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    try:
        before = {job: jobs.get(job) for job in ids}
        kept = before[ids[0]].pictures
        assert len(kept) == 1 and [view.state for view in before.values()] == ["queued"] * 2
        assert "begins anew" in before[ids[0]].again and before[ids[1]].again is None
        engine.allow(1000)
        for job in ids:
            view = jobs.wait(job, 10)
            first = before[job].params.seed
            assert (view.state, view.params) == ("done", before[job].params)
            assert sorted(p.seed for p in view.pictures) == [first, first + 1, first + 2]
        assert jobs.get(ids[0]).pictures[:1] == kept
        assert [jobs.get(job).crashes for job in ids] == [1, 0]
        assert jobs.by_task("500").id == ids[1]
        assert files_of(jobs) == sorted(p.path for job in jobs.list() for p in job.pictures)
        wait_for(lambda: not list(inputs.iterdir()))
    finally:
        jobs.close()


@pytest.mark.parametrize("moment", ["before the file has its name", "after the file has its name", "before the end is written down"])
def test_no_picture_is_lost_or_doubled(settings, options, moment):
    ids = killed(settings, moment, n_iter=1)
    jobs = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
    try:
        views = [jobs.wait(job, 10) for job in ids]
        assert [(view.state, len(view.pictures)) for view in views] == [("done", 1)] * 2
        assert files_of(jobs) == sorted(view.pictures[0].path for view in views), "one file for each picture, and no other"
        assert all(jobs.picture_bytes(view.pictures[0].id) for view in views)
    finally:
        jobs.close()


def test_a_job_that_was_running_at_two_crashes_fails_and_the_next_is_made(settings, options):
    culprit, innocent = killed(settings, "at work")
    killed(settings, "at work")
    jobs = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
    try:
        view = jobs.get(culprit)
        assert (view.state, view.error.code) == ("failed", "crashed")
        assert "2 crashes in a row" in view.error.message
        assert jobs.wait(innocent, 10).state == "done"
    finally:
        jobs.close()


def test_a_pause_survives(settings, options):
    (first, second) = killed(settings, "at work")
    jobs = Jobs(settings, FlatEngine(), options, resolve=name_checkpoint)
    jobs.wait(first, 10)
    jobs.wait(second, 10)
    jobs.pause("me", True)
    held = jobs.again(first, client="me")
    jobs.close()
    engine = FlatEngine()
    jobs = Jobs(settings, engine, options, resolve=name_checkpoint)
    try:
        assert jobs.is_paused("me") and not jobs.is_paused("you") and not engine.jobs
        jobs.pause("me", False)
        assert jobs.wait(held, 10).params == jobs.get(first).params
    finally:
        jobs.close()
