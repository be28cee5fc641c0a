"""What a user says of model files, and when each was used: no cache, but a file of its own that follows the models.

A record knows the file's sha256, where that is known, and its path: a file that is moved or renamed is found by the former, one whose
hash has not been computed by the latter.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

from app.models.facts import ModelFile
from app.models.library.told import NO_NOTES, Notes
from app.schema.errors import DarkroomError
from app.schema.transaction import transaction

_TABLES = """
CREATE TABLE IF NOT EXISTS marks (
    number INTEGER PRIMARY KEY, sha256 TEXT, path TEXT NOT NULL, size_bytes INTEGER NOT NULL, favourite INTEGER NOT NULL DEFAULT 0,
    preferred_vae TEXT NOT NULL DEFAULT '', last_used REAL, notes TEXT NOT NULL DEFAULT '{}'
);
"""


_COLUMNS = ("sha256", "path", "size_bytes", "favourite", "preferred_vae", "last_used", "notes")


class BadMarks(DarkroomError):
    """The file of favourites and notes is damaged or cannot be written."""

    code = "bad_marks"
    status = 500


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Everything that was said of one model file."""

    favourite: bool = False
    preferred_vae: str = ""
    """File name of the VAE to use with a checkpoint; empty: none is preferred."""
    last_used: float | None = None
    """Seconds since 1970."""
    notes: Notes = NO_NOTES
    """A copy of what was written beside the file, for files that lose it and folders that cannot be written."""


UNMARKED = Mark()


@dataclass(frozen=True)
class _Record:
    number: int | None
    """None until it is written down."""
    sha256: str | None
    path: str
    size_bytes: int
    mark: Mark


class Marks:
    """One SQLite file, held in memory, too; calls are short, and may come from any thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, RLock()
        self._by_number: dict[int | None, _Record] = {}
        self._by_hash: dict[str, _Record] = {}
        self._by_path: dict[str, _Record] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.executescript(_TABLES)
                for row in self._connection.execute(f"SELECT number, {', '.join(_COLUMNS)} FROM marks"):
                    self._enter(_read(row))
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def of(self, file: ModelFile) -> Mark:
        """What was said of the file."""
        record = self._find(file)
        return record.mark if record is not None else UNMARKED

    def set(self, marks: Iterable[tuple[ModelFile, Mark]]) -> None:
        """Says these things of these files, of all or, if it cannot be written, of none."""
        fresh = []
        with self._lock, self._writing() as connection:
            for file, mark in marks:
                record = self._find(file) or _Record(None, None, str(file.path), file.size_bytes, mark)
                record = replace(record, sha256=file.sha256 or record.sha256, mark=mark)
                fresh.append(replace(record, number=_kept(connection, record)))
        for record in fresh:
            self._enter(record)

    def follow(self, files: Collection[ModelFile]) -> list[Path]:
        """Notes the hashes and new places of files that have marks; gives those that have to be hashed, so that marks can follow them."""
        here = {str(file.path): file.size_bytes for file in files}
        with self._lock:
            lost = {
                record.size_bytes
                for record in self._by_path.values()
                if record.sha256 is not None and here.get(record.path) != record.size_bytes
            }
            fresh = []
            for file in files if self._by_path else ():
                record = self._find(file) if file.sha256 is not None else None
                if record is not None and (record.sha256 is None or here.get(record.path) != record.size_bytes):
                    fresh.append(replace(record, sha256=file.sha256, path=str(file.path), size_bytes=file.size_bytes))
            if fresh:
                with self._writing() as connection:
                    for record in fresh:
                        _kept(connection, record)
                for record in fresh:
                    self._enter(record)
            unhashed = [file for file in files if file.sha256 is None]
            return [file.path for file in unhashed if file.size_bytes in lost or str(file.path) in self._by_path]

    def moved(self, old: Path, new: Path) -> None:
        """A file was moved or renamed by Darkroom: its marks go with it."""
        with self._lock:
            record = self._by_path.get(str(old))
            if record is not None:
                record = replace(record, path=str(new))
                with self._writing() as connection:
                    _kept(connection, record)
                self._enter(record)

    def _find(self, file: ModelFile) -> "_Record | None":
        """By hash, else by place, unless it is known that another file lies there now."""
        by_hash = self._by_hash.get(file.sha256) if file.sha256 is not None else None
        by_path = self._by_path.get(str(file.path))
        if by_path is not None and by_path.sha256 is not None:
            same = file.sha256 == by_path.sha256 if file.sha256 is not None else file.size_bytes == by_path.size_bytes
            by_path = by_path if same else None
        return by_hash or by_path

    def _enter(self, record: "_Record") -> None:
        """Holds a record in memory in the place of its former state."""
        old = self._by_number.get(record.number)
        if old is not None and self._by_path.get(old.path) is old:
            del self._by_path[old.path]
        self._by_number[record.number] = self._by_path[record.path] = record
        if record.sha256 is not None:
            self._by_hash[record.sha256] = record

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._explained(), transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BadMarks(f"{self._path.name} in the data folder cannot be used: {error}. It holds notes on models.") from error


def _read(row: tuple[Any, ...]) -> _Record:
    number, sha256, path, size_bytes, favourite, preferred_vae, last_used, notes = row
    try:
        said = Notes(**json.loads(notes))
    except (ValueError, TypeError) as error:
        raise BadMarks(f"The notes of {path} in the data folder's models.sqlite3 are damaged.") from error
    mark = Mark(favourite=bool(favourite), preferred_vae=preferred_vae, last_used=last_used, notes=said)
    return _Record(number, sha256, path, size_bytes, mark)


def _kept(connection: sqlite3.Connection, record: _Record) -> int:
    """Writes a record down; its number."""
    mark = record.mark
    said = json.dumps(asdict(mark.notes))
    row = (record.number, record.sha256, record.path, record.size_bytes, mark.favourite, mark.preferred_vae, mark.last_used, said)
    insert = f"INSERT OR REPLACE INTO marks (number, {', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    number = connection.execute(insert, row).lastrowid
    assert number is not None  # of an insertion
    return number
