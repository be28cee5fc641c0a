"""The index: a SQLite file that can be deleted at any time and is made again from the pictures."""

import contextlib
import json
import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any

from app.gallery.entry import Entry, Place
from app.gallery.facets import LISTED, Facet, facets_of, words_of
from app.gallery.marks import UNMARKED, Marked, Marks
from app.gallery.search import Search, marked_words, match_of
from app.schema.errors import NotFound
from app.schema.transaction import transaction

log = logging.getLogger(__name__)

VERSION = 1
"""Another version's file is deleted and made again."""
COUNTED = 1_000
"""Most matches that are counted; beyond it "more than" is as good and costs less."""
MAX_PAGE = 1_000
_SLOT_BITS = 12
_CACHE_KB = 48_000
_COLUMNS = (
    *("number", "id", "folder", "directory", "name", "size", "modified", "content"),
    *("format", "width", "height", "prompt", "negative", "model", "sampler", "seed", "loras", "marked"),
)
_SELECTED = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
_TABLES = """
CREATE TABLE pictures (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, folder INTEGER NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, modified INTEGER NOT NULL, content BLOB NOT NULL, format TEXT NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, prompt TEXT NOT NULL, negative TEXT NOT NULL, model TEXT NOT NULL, sampler TEXT NOT NULL, seed TEXT NOT NULL,
    loras TEXT NOT NULL, marked TEXT NOT NULL
);
CREATE UNIQUE INDEX pictures_by_path ON pictures (folder, directory, name);
CREATE UNIQUE INDEX pictures_by_id ON pictures (id);
CREATE INDEX pictures_by_content ON pictures (content);
CREATE VIRTUAL TABLE words USING fts5 (
    prompt, negative, name, facets, content='', tokenize="unicode61 remove_diacritics 2", columnsize=0, prefix='3'
);
CREATE TABLE counts (owner TEXT, kind TEXT, value TEXT, pictures INTEGER NOT NULL, PRIMARY KEY (owner, kind, value)) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A picture as lists show it."""

    number: int
    """Grows with the file's time; lists go on from it."""
    id: str
    entry: Entry
    marked: Marked

    @property
    def modified(self) -> datetime:
        """When the file was written, in UTC."""
        return datetime.fromtimestamp(self.entry.place.modified_ns / 1e9).astimezone()


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some matches in order, where to go on, and how many there are."""

    pictures: tuple[Found, ...]
    following: int | None
    """Cursor of the next page; None at the end."""
    total: int | None
    """Of all pages, at most COUNTED; None on later pages."""


class Index:
    """One connection that writes and one that reads, each behind its lock: a search does not wait for the scan."""

    def __init__(self, path: Path, marks: Marks) -> None:
        self._path, self._marks = path, marks
        self._writing_lock, self._reading_lock = RLock(), RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            log.warning("the gallery's index is made anew: %s", error)
            self._forget()
            self._open()

    def close(self) -> None:
        """Closes the file."""
        with self._writing_lock, self._reading_lock:
            self._writer.close()
            self._reader.close()

    # writing

    def id_of(self, place: Place) -> str:
        """The picture's id: says nothing about the path, and is the same after the index was made anew."""
        return blake2b(
            f"{place.folder}/{place.relative}".encode("utf-8", "surrogateescape"), key=self._marks.key, digest_size=16
        ).hexdigest()

    def put(self, entries: Sequence[Entry]) -> None:
        """Adds pictures, in place of what the index had at their paths."""
        marked = self._marks.of([entry.content for entry in entries])
        with self._transaction() as connection:
            for entry in entries:
                place = entry.place
                self._drop(connection, "folder = ? AND directory = ? AND name = ?", (place.folder, place.directory, place.name))
                self._add(connection, entry, marked.get(entry.content, UNMARKED))

    def remove(self, folder: int, directory: str, names: Collection[str]) -> None:
        """Forgets some files of a directory."""
        with self._transaction() as connection:
            for name in names:
                self._drop(connection, "folder = ? AND directory = ? AND name = ?", (folder, directory, name))

    def remove_directory(self, folder: int, directory: str) -> None:
        """Forgets a directory and what is below it; the folder itself for an empty one."""
        with self._transaction() as connection:
            if directory:
                # "0" follows "/" in every collation by bytes: what is below is one range of the index.
                below = "(directory = ? OR (directory >= ? AND directory < ?))"
                self._drop(connection, f"folder = ? AND {below}", (folder, directory, f"{directory}/", f"{directory}0"))
            else:
                self._drop(connection, "folder = ?", (folder,))

    def remark(self, contents: Collection[bytes]) -> None:
        """Takes over what the marks now say of these contents."""
        with self._transaction() as connection:
            for content in contents:
                marked = self._marks.of([content]).get(content, UNMARKED)
                rows = connection.execute(f"SELECT {_SELECTED} FROM pictures WHERE content = ?", (content,)).fetchall()
                for row in rows:
                    self._drop(connection, "number = ?", (row[0],))
                    self._add(connection, _entry(row), marked, number=row[0])

    def clear(self) -> None:
        """Empties the index."""
        with self._writing_lock, self._reading_lock:
            self._writer.close()
            self._reader.close()
            self._forget()
            self._open()

    # reading

    def files_in(self, folder: int, directory: str) -> dict[str, tuple[int, int]]:
        """name -> (bytes, time of change in ns) of a directory's files."""
        question = "SELECT name, size, modified FROM pictures WHERE folder = ? AND directory = ?"
        return {name: (size, modified) for name, size, modified in self._read(question, (folder, directory))}

    def directories(self, folder: int) -> Iterator[str]:
        """Every directory of a folder that has files in the index; steps from one to the next instead of reading all rows."""
        question = "SELECT directory FROM pictures WHERE folder = ? AND directory > ? ORDER BY directory LIMIT 1"
        if self._read("SELECT 1 FROM pictures WHERE folder = ? AND directory = '' LIMIT 1", (folder,)):
            yield ""
        rows = self._read(question, (folder, ""))
        while rows:
            yield rows[0][0]
            rows = self._read(question, (folder, rows[0][0]))

    def folders(self) -> list[int]:
        """Numbers of the folders that have files in the index."""
        return [row[0] for row in self._read("SELECT DISTINCT folder FROM pictures", ())]

    def find(self, search: Search, *, limit: int = 100, cursor: int | None = None) -> Page:
        """One page of matches, newest first unless asked otherwise."""
        match, limit = match_of(search), max(1, min(limit, MAX_PAGE))
        if match == "":
            return Page(pictures=(), following=None, total=0)
        where, values = _range(search, cursor)
        table, key = ("pictures", "number") if match is None else ("words", "rowid")
        if match is not None:
            where, values = ["words MATCH ?", *where], [match, *values]
        bound = " AND ".join(part.replace("KEY", key) for part in where) or "1"
        order = "ASC" if search.oldest_first else "DESC"
        rows = self._read(f"SELECT {key} FROM {table} WHERE {bound} ORDER BY {key} {order} LIMIT ?", (*values, limit + 1))
        numbers = [row[0] for row in rows]
        total = None
        if cursor is None:
            total = len(numbers) if len(numbers) <= limit else self._total(table, key, bound, values)
        following = numbers[limit - 1] if len(numbers) > limit else None
        return Page(pictures=self._by_number(numbers[:limit]), following=following, total=total)

    def get(self, ids: Sequence[str]) -> list[Found]:
        """The pictures of those ids, in their order; NotFound names the first that is missing."""
        found: dict[str, Found] = {}
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            marks = ", ".join("?" * len(part))
            rows = self._read(f"SELECT {_SELECTED} FROM pictures WHERE id IN ({marks})", tuple(part))
            found |= {row[1]: _found(row) for row in rows}
        for wanted in ids:
            if wanted not in found:
                raise NotFound("That picture is not in the gallery any more.")
        return [found[wanted] for wanted in ids]

    def counts(self, owner: str | None) -> dict[str, list[tuple[str, int]]]:
        """Kind -> (value, how many pictures), the most frequent first; of one owner's pictures, or of all for None."""
        question = (
            "SELECT kind, value, sum(pictures) FROM counts WHERE ? IS NULL OR owner = ? GROUP BY kind, value ORDER BY 3 DESC, 2 LIMIT 5000"
        )
        counted: dict[str, list[tuple[str, int]]] = {kind: [] for kind in LISTED}
        for kind, value, pictures in self._read(question, (owner, owner)):
            if kind in counted and pictures > 0:
                counted[kind].append((value, pictures))
        return counted

    def total(self, owner: str | None) -> int:
        """How many pictures there are."""
        question = "SELECT coalesce(sum(pictures), 0) FROM counts WHERE kind = 'all' AND (? IS NULL OR owner = ?)"
        return int(self._read(question, (owner, owner))[0][0])

    # inside

    def _open(self) -> None:
        self._writer = self._connect()
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            self._writer.close()
            self._forget()
            self._writer = self._connect()
            version = 0
        if version == 0:
            self._writer.executescript(_TABLES)
            self._writer.execute(f"PRAGMA user_version = {VERSION}")
        self._reader = self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # after a power cut it is made again
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        connection.execute("PRAGMA mmap_size = 1073741824")
        return connection

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()

    def _read(self, question: str, values: Sequence[object]) -> list[Any]:
        with self._reading_lock:
            return self._reader.execute(question, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing_lock, transaction(self._writer) as connection:
            yield connection

    def _add(self, connection: sqlite3.Connection, entry: Entry, marked: Marked, number: int | None = None) -> None:
        place, picture = entry.place, self.id_of(entry.place)
        facets = facets_of(entry, marked)
        number = _free_number(connection, place.modified_ns, picture) if number is None else number
        values = (number, picture, place.folder, place.directory, place.name, place.size_bytes, place.modified_ns, entry.content)
        said = (entry.format, entry.width, entry.height, entry.prompt, entry.negative_prompt, entry.model, entry.sampler, entry.seed)
        more = ("\n".join(entry.loras), json.dumps(asdict(marked)) if marked != UNMARKED else "")
        connection.execute(f"INSERT INTO pictures ({', '.join(_COLUMNS)}) VALUES ({_MARKS})", (*values, *said, *more))
        texts = (entry.prompt, marked_words(entry.negative_prompt), place.name, words_of(facets))
        connection.execute("INSERT INTO words (rowid, prompt, negative, name, facets) VALUES (?, ?, ?, ?, ?)", (number, *texts))
        _count(connection, facets, marked.owner, 1)

    def _drop(self, connection: sqlite3.Connection, where: str, values: Sequence[object]) -> None:
        """Deletes rows; FTS5 must be told the words of each as they were."""
        gone = "INSERT INTO words (words, rowid, prompt, negative, name, facets) VALUES ('delete', ?, ?, ?, ?, ?)"
        while rows := connection.execute(f"SELECT {_SELECTED} FROM pictures WHERE {where} LIMIT 1000", values).fetchall():
            for row in rows:
                number, entry, marked = row[0], _entry(row), _marked(row)
                facets = facets_of(entry, marked)
                texts = (entry.prompt, marked_words(entry.negative_prompt), entry.place.name, words_of(facets))
                connection.execute(gone, (number, *texts))
                connection.execute("DELETE FROM pictures WHERE number = ?", (number,))
                _count(connection, facets, marked.owner, -1)

    def _by_number(self, numbers: Sequence[int]) -> tuple[Found, ...]:
        places = ", ".join("?" * len(numbers))
        rows = self._read(f"SELECT {_SELECTED} FROM pictures WHERE number IN ({places})", numbers)
        found = {row[0]: _found(row) for row in rows}
        return tuple(found[number] for number in numbers if number in found)

    def _total(self, table: str, key: str, bound: str, values: Sequence[object]) -> int:
        question = f"SELECT count(*) FROM (SELECT {key} FROM {table} WHERE {bound} LIMIT {COUNTED})"
        return int(self._read(question, values)[0][0])


def _range(search: Search, cursor: int | None) -> tuple[list[str], list[object]]:
    """Conditions on KEY, which grows with time, and their values."""
    bounds = (
        (">=", _number_at(search.after) if search.after is not None else None),
        ("<", _number_at(search.before) if search.before is not None else None),
        (">" if search.oldest_first else "<", cursor),
    )
    there = [(sign, value) for sign, value in bounds if value is not None]
    return [f"KEY {sign} ?" for sign, _ in there], [value for _, value in there]


def _number_at(seconds: float) -> int:
    """The least number of a picture of that time or later."""
    return int(min(max(seconds, 0.0), 1e11) * 1000) << _SLOT_BITS


def _free_number(connection: sqlite3.Connection, modified_ns: int, picture: str) -> int:
    """A number in the file's millisecond; further off, in ever wider rings, where a whole tree of files has one time."""
    first = max(0, modified_ns // 1_000_000) << _SLOT_BITS
    for attempt in count():
        window = 1 << min(_SLOT_BITS + attempt, 40)
        number = first + int.from_bytes(blake2b(f"{picture}{attempt}".encode(), digest_size=8).digest()) % window
        if connection.execute("SELECT 1 FROM pictures WHERE number = ?", (number,)).fetchone() is None:
            return number
    raise AssertionError("count() does not end")


def _count(connection: sqlite3.Connection, facets: Iterable[Facet], owner: str, step: int) -> None:
    counted = [(owner, facet.kind, facet.value, step) for facet in facets if facet.kind in LISTED]
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET pictures = pictures + excluded.pictures",
        [(owner, "all", "", step), *counted],
    )


def _entry(row: Sequence[Any]) -> Entry:
    said = dict(zip(_COLUMNS, row, strict=True))
    return Entry(
        place=Place(
            folder=said["folder"], directory=said["directory"], name=said["name"], size_bytes=said["size"], modified_ns=said["modified"]
        ),
        content=said["content"],
        format=said["format"],
        width=said["width"],
        height=said["height"],
        prompt=said["prompt"],
        negative_prompt=said["negative"],
        model=said["model"],
        sampler=said["sampler"],
        seed=said["seed"],
        loras=tuple(said["loras"].split("\n")) if said["loras"] else (),
    )


def _marked(row: Sequence[Any]) -> Marked:
    """What the index holds of the marks, which is what its words and counts were made from."""
    said = json.loads(row[-1]) if row[-1] else {}
    if not said:
        return UNMARKED
    return Marked(
        favourite=said["favourite"], rating=said["rating"], tags=tuple(said["tags"]), albums=tuple(said["albums"]), owner=said["owner"]
    )


def _found(row: Sequence[Any]) -> Found:
    return Found(number=row[0], id=row[1], entry=_entry(row), marked=_marked(row))
