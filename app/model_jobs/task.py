"""An action that has been looked through: what it is called, and how it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Report = Callable[[int, int], None]
"""Told the bytes that are done and the bytes in all; raises Stopped when the work is to end."""


class Stopped(Exception):
    """Somebody cancelled the job, or the server ends."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a job."""

    summary: str
    """One sentence."""
    file: str = ""
    """The new file, or where a file is now, below its folder."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was found out: hashes by their names at Civitai."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One action on files that are there, with names that can be had."""

    title: str
    run: Callable[[Report], Done]
    makes: Path | None = None
    """The file that it writes; while it does, only a hidden one is there."""
    moves: tuple[tuple[Path, Path], ...] = ()
    """The renamings that it does, of which the first one counts: where that was done and the server ended, the others follow."""
