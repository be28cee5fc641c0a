"""What was once found out about model files, kept in an SQLite file: facts and hashes by path, size and time of change."""

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.models.facts import CheckpointFacts

log = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 5.0
_FACTS: TypeAdapter[CheckpointFacts] = TypeAdapter(CheckpointFacts)
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, facts TEXT, problem TEXT, autov1 TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS details (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, details TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hash_sets (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, hashes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID;
"""
_VERSION = 1
"""Of the tables; raise it when they change."""

T = TypeVar("T")


@dataclass(frozen=True)
class FileFacts:
    """What reading a checkpoint's header gave: facts, or one sentence why there are none."""

    facts: CheckpointFacts | None
    problem: str | None
    autov1: str | None


class ModelCache:
    """The cache's file; safe to use from many threads, and by several processes at once.

    It holds nothing that cannot be found out again: a file that is damaged is replaced by a new one, and where none can be
    written (read-only folder, full disk) what is found out lasts as long as the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = self._open()

    def facts(self) -> dict[str, tuple[str, FileFacts]]:
        """All facts: path to the stamp they were found with, and what was found. Entries of another version's form are left out."""
        found: dict[str, tuple[str, FileFacts]] = {}
        for path, stamp, facts, problem, autov1 in self._rows("facts"):
            try:
                found[path] = (stamp, FileFacts(_FACTS.validate_json(facts) if facts is not None else None, problem, autov1))
            except ValidationError:
                log.debug("facts of %s are of another form", path)
        return found

    def hashes(self) -> dict[str, tuple[str, str]]:
        """All hashes: path to the stamp and the sha256."""
        return {path: (stamp, sha256) for path, stamp, sha256 in self._rows("hashes")}

    def details(self) -> dict[str, tuple[str, str]]:
        """What cards tell of files of all kinds: path to the stamp, and JSON whose form is the library's business."""
        return {path: (stamp, details) for path, stamp, details in self._rows("details")}

    def aliases(self) -> dict[str, tuple[str, str]]:
        """Second names in prompts, as far as cards of files know them: path to the stamp and the name (empty: the file has none)."""

        def read(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute("SELECT path, stamp, json_extract(details, '$.details.alias') FROM details").fetchall()

        found: list[Any] = []
        return {path: (stamp, alias or "") for path, stamp, alias in self._do(read, found)}

    def keep_details(self, found: Mapping[str, tuple[str, str]]) -> None:
        """Keeps what cards tell of many files in one transaction."""
        self._write("INSERT OR REPLACE INTO details VALUES (?, ?, ?)", [(path, stamp, told) for path, (stamp, told) in found.items()])

    def keep_facts(self, found: Mapping[str, tuple[str, FileFacts]]) -> None:
        """Keeps facts of many files in one transaction; those that cannot be written down last as long as the process."""
        rows = [row for path, (stamp, file) in found.items() if (row := _row(path, stamp, file)) is not None]
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)

    def keep_hash(self, path: str, stamp: str, sha256: str) -> None:
        """Keeps a file's hash."""
        self._write("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", [(path, stamp, sha256)])

    def hash_set(self, path: str, stamp: str) -> str | None:
        """A file's other hashes as JSON; None where they have not been computed in this state of the file."""

        def read(connection: sqlite3.Connection) -> Any:
            return connection.execute("SELECT hashes FROM hash_sets WHERE path = ? AND stamp = ?", (path, stamp)).fetchone()

        found = self._do(read, None)
        return str(found[0]) if found is not None else None

    def keep_hash_set(self, path: str, stamp: str, hashes: str) -> None:
        """Keeps a file's other hashes."""
        self._write("INSERT OR REPLACE INTO hash_sets VALUES (?, ?, ?)", [(path, stamp, hashes)])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _rows(self, table: str) -> list[Any]:
        def read(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(f"SELECT * FROM {table}").fetchall()

        return self._do(read, [])

    def _write(self, statement: str, rows: Iterable[tuple[str | None, ...]]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(statement, rows)

        self._do(write, None)

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Runs something on the connection; on a damaged file begins a new one, and gives `otherwise`."""
        with self._lock:
            try:
                return work(self._connection)
            except sqlite3.DatabaseError as error:
                if type(error) is sqlite3.DatabaseError:  # what SQLite says of damage; its subclasses are locks, full disks and the like
                    log.warning("the model cache %s is damaged (%s); it is begun anew", self._path, error)
                    self._connection.close()
                    self._remove()
                    self._connection = self._open()
                else:
                    log.warning("the model cache %s could not be used this time: %s", self._path, error)
        return otherwise

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _connect(str(self._path))
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
                log.warning("the model cache %s is damaged (%s); it is begun anew", self._path, error)
                self._remove()
                return _connect(str(self._path))
        except (sqlite3.Error, OSError) as error:
            log.warning("the model cache %s cannot be used (%s): what is found out lasts until the server stops", self._path, error)
            return _connect(":memory:")

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm", "-journal"):
            try:
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            except OSError as error:
                log.warning("the damaged model cache %s cannot be removed: %s", self._path, error)


def _row(path: str, stamp: str, file: FileFacts) -> tuple[str | None, ...] | None:
    """A line of the table of facts; None where a text in it is none (half a character, say)."""
    try:
        row = (path, stamp, _FACTS.dump_json(file.facts).decode() if file.facts else None, file.problem, file.autov1)
        "".join(text for text in row if text).encode()
    except ValueError as error:
        log.warning("the facts of %r are not kept: %s", path, error)
        return None
    return row


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.OperationalError as error:  # some network drives cannot do it
            log.info("the model cache %s works without a write-ahead log: %s", name, error)
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            connection.executescript("DROP TABLE IF EXISTS facts; DROP TABLE IF EXISTS hashes;")
        connection.executescript(f"{_TABLES} PRAGMA user_version={_VERSION};")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def recogniser_version() -> str:
    """A short text that changes whenever the code that finds out facts does, so that old answers are not believed."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
