"""Writes to SQLite files: whole or not at all."""

import sqlite3
from pathlib import Path

import pytest

from app.schema.transaction import transaction


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0)


def test_a_block_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "a.sqlite3"), opened(tmp_path / "a.sqlite3")
    one.execute("CREATE TABLE numbers (number INTEGER UNIQUE)")
    with transaction(one) as writing:
        writing.execute("INSERT INTO numbers VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(other):
            pass
        assert other.execute("SELECT count(*) FROM numbers").fetchone() == (0,)
    with pytest.raises(sqlite3.IntegrityError), transaction(one) as writing:
        writing.execute("INSERT INTO numbers VALUES (2)")
        writing.execute("INSERT INTO numbers VALUES (1)")
    assert other.execute("SELECT number FROM numbers").fetchall() == [(1,)]
    with transaction(other) as writing:
        writing.execute("INSERT INTO numbers VALUES (3)")
    assert one.execute("SELECT count(*) FROM numbers").fetchone() == (2,)
    one.close()
    other.close()
