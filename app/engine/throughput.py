"""How many rows of one forward pay: the time of forwards of 1, 2, 4 ... rows, measured on this machine and kept in a file."""

import json
import logging
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

MEASURED_ROWS = (1, 2, 4, 8, 16, 32)
ENOUGH = 0.95
"""The budget is the fewest rows whose rate is at least this share of the best one: more rows would only make everybody's steps longer."""
REPEATS = 2
"""Forwards of a number of rows; the fastest counts, because other programs only ever make one slower."""
LONGEST_FORWARD_S = 3.0
"""No forward that is expected to take longer is tried: somebody who comes meanwhile waits for it."""


@dataclass
class Throughput:
    """Curves by device, architecture and size. What cannot be read or written is measured again."""

    path: Path | None = None
    _fastest_s: dict[str, dict[int, float]] = field(default_factory=dict)
    _times: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reads the file."""
        if self.path is None:
            return
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self._fastest_s = {key: {int(rows): float(s) for rows, s in curve.items()} for key, curve in stored.items()}
            self._times = {(key, rows): REPEATS for key, curve in self._fastest_s.items() for rows in curve}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("%s cannot be read (%s); forwards are timed anew", self.path.name, error)

    def budget(self, key: Hashable) -> int | None:
        """Rows that pay in one forward; None while too little is known."""
        curve = self._fastest_s.get(str(key), {})
        if self.next_rows(key, len(curve) and max(MEASURED_ROWS)) is not None or len(curve) < 2:
            return None
        best = max(rows / seconds for rows, seconds in curve.items())
        return min(rows for rows, seconds in curve.items() if rows / seconds >= ENOUGH * best)

    def next_rows(self, key: Hashable, limit: int) -> int | None:
        """The number of rows to time next, at most `limit`; None when the curve is known as far as it is worth it."""
        curve = self._fastest_s.get(str(key), {})
        for rows in MEASURED_ROWS:
            if rows > limit:
                return None
            if self._times.get((str(key), rows), 0) >= REPEATS:
                continue
            known = [(r, s) for r, s in curve.items() if r < rows]
            if known and max(known)[1] * rows / max(known)[0] > LONGEST_FORWARD_S:
                return None
            return rows
        return None

    def note(self, key: Hashable, rows: int, seconds: float) -> None:
        """Takes in one forward, and writes the curve down once it is complete."""
        curve = self._fastest_s.setdefault(str(key), {})
        curve[rows] = min(seconds, curve.get(rows, seconds))
        self._times[str(key), rows] = self._times.get((str(key), rows), 0) + 1

    def save(self) -> None:
        """Writes all curves into the file."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self._fastest_s, indent=1), encoding="utf-8")
        except OSError as error:
            log.warning("%s cannot be written (%s); forwards are timed again next time", self.path.name, error)
