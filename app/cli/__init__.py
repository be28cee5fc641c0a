"""The commands: serving (the default), `info`, `models`, `txt2img`, `img2img`. Knows everything, through `server.py`.

`main` is the program; errors that a person can put right become one sentence and an exit status here, and nowhere else.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.schema.errors import DarkroomError, UnknownName

__all__ = ["main"]

COMMANDS = ("serve", "info", "models", "txt2img", "img2img", "test")
SHORT_WAITS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""Threads of a CPU forward that wait for each other sleep soon (GNU's and LLVM's OpenMP). By default they spin, and beside a busy
browser a step then takes ten times as long. Where Linux says how long threads wait for a core, the engine sets GNU's while it works
(`app.engine.waits`)."""
COUNTS_WAITS = Path("/proc/self/schedstat")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line; the exit status: 0 done, 1 an error that the last line explains, 130 interrupted."""
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in SHORT_WAITS.items():  # read when torch is imported, by child processes too
            if name != "GOMP_SPINCOUNT" or not COUNTS_WAITS.exists():
                os.environ.setdefault(name, value)
    arguments = list(sys.argv[1:] if argv is None else argv)
    command, rest = (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else ("serve", arguments)
    try:
        return _run(command, rest)
    except DarkroomError as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: str, arguments: list[str]) -> int:
    match command:
        case "info":
            from app.cli.info import info

            return info(arguments)
        case "models":
            from app.cli.models import models

            return models(arguments)
        case "txt2img" | "img2img":
            from app.cli.generate import generate

            return generate(command, arguments)
        case "serve":
            from app.cli.flags import server_settings
            from app.server import serve

            return serve(server_settings(arguments))
        case _:
            raise UnknownName("command", command, COMMANDS)
