"""Rows by transaction; a file that cannot be used is told in one sentence."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from app.jobs.database import MIGRATIONS, BadDatabase, Database, JobRow
from app.jobs.views import JobError, PictureView
from app.schema.disk import CannotSave, DiskFull
from app.schema.params import MAX_SEED, make_params

ROW = JobRow(
    id="a" * 32,
    client="page-1",
    task_id="task(one)",
    params=make_params(prompt="a red house, ümläut 😀", seed=MAX_SEED, checkpoint="pocket"),
    save=True,
    options={"CLIP_stop_at_last_layers": 2},
    created=1000.5,
)
PICTURE = PictureView(
    id="b" * 32, job=ROW.id, number=0, seed=MAX_SEED, path="x/00000-1.png", format="png", width=64, height=48, infotext="Steps: 20"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.sqlite3"


@pytest.fixture
def database(path: Path):
    database = Database(path)
    yield database
    database.close()


def test_a_job_comes_back_as_it_was_written(database):
    database.add_job(ROW)
    database.set_started(ROW.id, 1001.0)
    database.add_picture(PICTURE)
    database.end_job(ROW.id, "done", 1002.0, interrupted=True)
    view = database.job(ROW.id)
    assert (view.client, view.task_id, view.params, view.save) == (ROW.client, ROW.task_id, ROW.params, True)
    assert (view.state, view.created, view.started, view.ended) == ("done", 1000.5, 1001.0, 1002.0)
    assert view.interrupted and view.progress == 1.0 and view.error is None
    assert view.pictures == (PICTURE,) and database.picture(PICTURE.id) == PICTURE
    assert view.pictures[0].seed == MAX_SEED, "all 64 bits of a seed"
    assert PICTURE.media_type == "image/png" and replace(PICTURE, format="jpg").media_type == "image/jpeg"


def test_what_is_not_there(database):
    assert database.job("x") is None and database.job_of_task("x") is None and database.picture("x") is None
    assert database.jobs(client=None, states=None, limit=5) == []


def test_jobs_are_listed_newest_first(database):
    for i in range(6):
        database.add_job(replace(ROW, id=str(i), client=f"c{i % 2}", created=1000.0))
    database.end_job("4", "failed", 1.0, error=JobError(code="x", message="Why.", status=400))
    ids = lambda **filters: [view.id for view in database.jobs(**{"client": None, "states": None, "limit": 50} | filters)]  # noqa: E731
    assert ids() == ["5", "4", "3", "2", "1", "0"]
    assert ids(client="c1") == ["5", "3", "1"]
    assert ids(states={"failed", "done"}) == ["4"]
    assert ids(states=set()) == []
    assert ids(limit=2) == ["5", "4"]
    assert database.job_of_task("task(one)").id == "5"
    assert database.job("4").error == JobError(code="x", message="Why.", status=400)


def test_pictures_belong_to_a_job_and_a_place(database):
    with pytest.raises(sqlite3.IntegrityError):
        database.add_picture(PICTURE)
    database.add_job(ROW)
    database.add_picture(PICTURE)
    with pytest.raises(sqlite3.IntegrityError):
        database.add_picture(replace(PICTURE, id="c"))
    database.add_picture(replace(PICTURE, id="c", number=1))
    assert [picture.number for picture in database.job(ROW.id).pictures] == [0, 1]


def test_it_is_in_wal_mode_and_at_the_newest_version(path, database):
    other = sqlite3.connect(path)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    other.close()


def test_opening_again_keeps_everything(path):
    first = Database(path)
    first.add_job(ROW)
    first.close()
    second = Database(path)
    assert second.job(ROW.id).params == ROW.params
    left = second.unended()
    assert [(job.row, job.was_running, job.crashes, job.pictures) for job in left] == [(ROW, False, 0, ())]
    second.close()


def test_a_newer_file_is_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadDatabase, match="newer Darkroom"):
        Database(path)


def test_a_damaged_file_is_named(path):
    path.write_bytes(b"this is no database, whatever its name says" * 50)
    before = path.read_bytes()
    with pytest.raises(BadDatabase, match=r"darkroom\.sqlite3 is damaged"):
        Database(path)
    assert path.read_bytes() == before


def test_a_folder_in_its_place(path):
    path.mkdir()
    with pytest.raises(CannotSave, match=r"darkroom\.sqlite3"):
        Database(path)


def test_a_full_disk_is_told_and_changes_nothing(database):
    """SQLite's own page limit fails as a full disk does."""
    database.add_job(ROW)
    pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
    database._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="The disk is full"):
        for i in range(1000):
            database.add_job(replace(ROW, id=f"filler-{i}", params=make_params(prompt="x" * 5000, seed=1)))
    count = len(database.jobs(client=None, states=None, limit=5000))
    assert count == i + 1
    database._connection.execute("PRAGMA max_page_count = 1000000")
    database.add_job(replace(ROW, id="after"))
    assert database.job("after") is not None


def test_settings_from_other_limits_are_still_shown(path, database):
    database.add_job(ROW)
    other = sqlite3.connect(path)
    other.execute("""UPDATE jobs SET params = '{"prompt": "old", "steps": 5000, "gone": 1, "seed": 7}'""")
    other.commit()
    other.close()
    params = database.job(ROW.id).params
    assert (params.prompt, params.steps, params.seed, params.width) == ("old", 5000, 7, 512)


def test_an_unexpected_fault_is_not_dressed_up(database):
    with pytest.raises(sqlite3.OperationalError, match="no such column"), database._reading() as connection:
        connection.execute("SELECT no_such FROM jobs")
    with pytest.raises(ZeroDivisionError), database._writing():
        raise ZeroDivisionError
    database.add_job(ROW)
