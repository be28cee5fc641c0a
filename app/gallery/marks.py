"""What people say of pictures: favourites, ratings, tags, albums; and whose a picture is, and which folders are looked at.

This is no cache: it lies beside the index, in a file of its own, and is keyed by what is in a picture's file, so that it outlives the
index and follows a file that is moved or renamed.
"""

import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Literal

from app.schema.errors import DarkroomError
from app.schema.transaction import transaction

MAX_RATING = 5
MAX_NAME_CHARS = 100
Label = Literal["tag", "album"]

_TABLES = """
CREATE TABLE IF NOT EXISTS marks (content BLOB PRIMARY KEY, favourite INTEGER NOT NULL DEFAULT 0, rating INTEGER NOT NULL DEFAULT 0)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (content BLOB, kind TEXT, name TEXT, PRIMARY KEY (content, kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (content BLOB PRIMARY KEY, client TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folders (number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS secret (key BLOB NOT NULL);
"""


class BadGallery(DarkroomError):
    """The gallery's own file is damaged or cannot be written."""

    code = "bad_gallery"
    status = 500


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Everything that was said of one picture."""

    favourite: bool = False
    rating: int = 0
    """0: none; else 1 to 5."""
    tags: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    owner: str = ""
    """The client whose job made it; empty: not known."""


UNMARKED = Marked()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What to say of some pictures; None and empty leave things as they are."""

    favourite: bool | None = None
    rating: int | None = None
    add: tuple[tuple[Label, str], ...] = ()
    remove: tuple[tuple[Label, str], ...] = ()


class Marks:
    """One SQLite file; calls are short, and may come from any thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA busy_timeout = 5000")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.executescript(_TABLES)
                if self._connection.execute("SELECT count(*) FROM secret").fetchone()[0] == 0:
                    self._connection.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
                self.key: bytes = self._connection.execute("SELECT key FROM secret").fetchone()[0]
                """Makes ids of pictures that nobody can guess, the same after the index was made anew."""
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def of(self, contents: Collection[bytes]) -> dict[bytes, Marked]:
        """What was said of each of them; contents that nobody has marked are missing."""
        found: dict[bytes, dict[str, object]] = {}
        unique = list(dict.fromkeys(contents))
        with self._lock, self._explained():
            for start in range(0, len(unique), 500):
                part = unique[start : start + 500]
                places = ", ".join("?" * len(part))
                for content, favourite, rating in self._connection.execute(f"SELECT * FROM marks WHERE content IN ({places})", part):
                    found.setdefault(content, {}).update(favourite=bool(favourite), rating=rating)
                for content, client in self._connection.execute(f"SELECT * FROM owners WHERE content IN ({places})", part):
                    found.setdefault(content, {})["owner"] = client
                for content, kind, name in self._connection.execute(f"SELECT * FROM labels WHERE content IN ({places})", part):
                    names = found.setdefault(content, {}).setdefault("tags" if kind == "tag" else "albums", [])
                    assert isinstance(names, list)
                    names.append(name)
        return {content: _marked(said) for content, said in found.items()}

    def change(self, contents: Collection[bytes], change: Change) -> None:
        """Says the same of all of them, or of none if it cannot be written."""
        with self._writing() as connection:
            for content in contents:
                if change.favourite is not None or change.rating is not None:
                    connection.execute("INSERT OR IGNORE INTO marks (content) VALUES (?)", (content,))
                if change.favourite is not None:
                    connection.execute("UPDATE marks SET favourite = ? WHERE content = ?", (change.favourite, content))
                if change.rating is not None:
                    connection.execute("UPDATE marks SET rating = ? WHERE content = ?", (change.rating, content))
                connection.executemany("INSERT OR IGNORE INTO labels VALUES (?, ?, ?)", _rows(content, change.add))
                connection.executemany("DELETE FROM labels WHERE content = ? AND kind = ? AND name = ?", _rows(content, change.remove))

    def set_owner(self, content: bytes, client: str) -> None:
        """Whose job made the picture; the first one stays, for whoever makes the same again."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO owners VALUES (?, ?)", (content, client))

    def folders(self) -> list[tuple[int, Path]]:
        """(number, path) of the folders that were added."""
        with self._lock, self._explained():
            return [(number, Path(path)) for number, path in self._connection.execute("SELECT * FROM folders ORDER BY number")]

    def add_folder(self, path: Path) -> None:
        """Looks at a further folder from now on."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO folders (path) VALUES (?)", (str(path),))

    def remove_folder(self, number: int) -> None:
        """Looks at that folder no more."""
        with self._writing() as connection:
            connection.execute("DELETE FROM folders WHERE number = ?", (number,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained(), transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BadGallery(f"{self._path.name} in the data folder cannot be used: {error}. It holds tags, ratings and albums.") from error


def _rows(content: bytes, labels: Iterable[tuple[Label, str]]) -> Sequence[tuple[bytes, str, str]]:
    return [(content, kind, name) for kind, name in labels]


def _marked(said: dict[str, object]) -> Marked:
    names = {kind: tuple(sorted(said.get(kind, ()), key=str.casefold)) for kind in ("tags", "albums")}  # type: ignore[call-overload]  # lists of str
    return Marked(**{**said, **names})  # type: ignore[arg-type]  # the columns have these types
