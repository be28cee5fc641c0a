"""A program that works on jobs and is killed at a chosen moment: `python -m tests.unit.jobs.dying DATA MOMENT N_ITER`; prints their ids."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from app.jobs import Jobs, OptionsStore, files
from app.jobs.database import Database
from app.schema.params import make_params
from app.schema.settings import ServerSettings
from tests.unit.jobs.conftest import FlatEngine, name_checkpoint, wait_for


def die(*_: Any) -> None:
    """As the kernel's out-of-memory killer does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(data: Path, moment: str, n_iter: int) -> None:
    """Takes up what is there, or two new jobs, and dies."""
    if moment == "before the file has its name":
        files.publish = die
    elif moment == "after the file has its name":
        files._sync_folder = die
    elif moment == "before the end is written down":
        Database.end_job = die
    settings = ServerSettings(data_dir=data)
    engine = FlatEngine()
    engine.free = moment != "at work"
    jobs = Jobs(settings, engine, OptionsStore(data / "config.json"), resolve=name_checkpoint)
    there = jobs.list()
    if not there:
        values = {"prompt": "a red house", "steps": 3, "width": 16, "height": 8, "n_iter": n_iter}
        print(*(jobs.submit(make_params(**values, seed=seed), client="me", task_id=f"{seed}") for seed in (-1, 500)), flush=True)
    first = jobs.list()[-1].id
    wait_for(lambda: jobs._database.job(first).state == "running")
    if not there:
        engine.allow(4)  # the first batch and a step of the second
        wait_for(lambda: jobs.get(first).pictures)
    die()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
