"""`webui.py models verify|trash`: model files kept in order on the command line, as the page's model jobs do it."""

import argparse
import sys
from collections.abc import Callable

from app.cli.flags import server_settings
from app.model_jobs import ACTIONS, Shelf, task_of
from app.models import Catalog
from app.models.folders import KINDS


def keep_flags(command: argparse.ArgumentParser) -> None:
    """Which file."""
    command.add_argument("file", help="A file in models/, as `models list` has it.")
    command.add_argument("--kind", choices=KINDS, default="checkpoint", help="Default: %(default)s.")


def keep_model(options: argparse.Namespace) -> int:
    """Does it and prints its sentence. A running server's jobs are not asked whether they want the file."""
    settings = server_settings(["--data-dir", options.data_dir] if options.data_dir else [])
    catalog = Catalog(settings)
    try:
        action = ACTIONS.validate_python({"action": options.command, "kind": options.kind, "filename": options.file})
        print(task_of(action, Shelf(settings=settings, catalog=catalog)).run(progress_line() or (lambda done, total: None)).summary)
    finally:
        catalog.close()
    return 0


def progress_line() -> Callable[[int, int], None] | None:
    """A line that counts on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    last = -1

    def show(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // max(1, total)
        if percent != last:
            last = percent
            print(f"\r{percent:3} %", end="" if percent < 100 else "\n", file=sys.stderr, flush=True)

    return show
