"""Jobs and pictures as facts on disk: one SQLite file, every change one transaction."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from pydantic import TypeAdapter, ValidationError

from app.jobs.views import JobError, JobState, JobView, PictureView, Sorted
from app.schema.disk import CannotSave, DiskFull
from app.schema.options import OptionValue
from app.schema.params import GenerationParams
from app.schema.scripts import ScriptCall
from app.schema.transaction import transaction
from app.scripts import Outcome

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        client TEXT NOT NULL,
        task_id TEXT,
        mode TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        params TEXT NOT NULL,
        options TEXT NOT NULL,
        save INTEGER NOT NULL,
        created REAL NOT NULL,
        started REAL,
        ended REAL,
        interrupted INTEGER NOT NULL DEFAULT 0,
        error_code TEXT,
        error_message TEXT,
        error_status INTEGER
    );
    CREATE INDEX jobs_of_client ON jobs (client, number);
    CREATE INDEX jobs_of_task ON jobs (task_id, number) WHERE task_id IS NOT NULL;
    CREATE INDEX jobs_unended ON jobs (state) WHERE state IN ('queued', 'running');
    CREATE TABLE pictures (
        id TEXT PRIMARY KEY,
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        seed TEXT NOT NULL,
        path TEXT,
        format TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        infotext TEXT NOT NULL,
        UNIQUE (job, number)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE jobs ADD COLUMN place REAL NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN key TEXT;
    ALTER TABLE jobs ADD COLUMN fingerprint TEXT;
    ALTER TABLE jobs ADD COLUMN seconds TEXT;
    UPDATE jobs SET place = created;
    CREATE UNIQUE INDEX jobs_of_key ON jobs (client, key) WHERE key IS NOT NULL;
    CREATE TABLE paused (client TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
    """
    ALTER TABLE jobs ADD COLUMN script TEXT;
    ALTER TABLE jobs ADD COLUMN outcome TEXT;
    """,
    """
    CREATE TABLE inputs (client TEXT NOT NULL, input TEXT NOT NULL, PRIMARY KEY (client, input)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE jobs ADD COLUMN user TEXT NOT NULL DEFAULT '';
    """,
)
"""Entry n brings a file of user_version n to n + 1; entries are never changed, only added. Seeds are texts: they take 64 bits unsigned."""


class BadDatabase(CannotSave):
    """A job database that is damaged or that a newer Darkroom wrote: what is going on goes on in memory."""

    code = "bad_database"
    status = 500


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job as it is written when it is accepted: all that is needed to make it (again)."""

    id: str
    client: str
    task_id: str | None
    params: GenerationParams
    save: bool
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """The A1111 options that were set for this job alone."""
    created: float
    place: float = 0.0
    """Its place in the line: lower ones are handed to the engine first."""
    key: str | None = None
    """A name that the asker gave the request itself, so that a request sent twice is one job."""
    fingerprint: str | None = None
    """Of the request that came with the key."""
    script: ScriptCall | None = None
    """The script that makes the job's pictures by jobs of its own, which are written down nowhere."""
    user: str = ""
    """The name that its asker had signed in with."""


@dataclass(frozen=True, kw_only=True)
class Unended:
    """A job that a former run left queued or running."""

    row: JobRow
    was_running: bool
    crashes: int
    """How often it was running when the engine or the server died, this time not counted."""
    pictures: tuple[PictureView, ...]


class Database:
    """One connection behind one lock: calls are short, and SQLite has one writer anyway."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._path = path
        with self._explained():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the file; later calls raise sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()

    def add_job(self, row: JobRow) -> None:
        """Writes a queued job."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO jobs (id, client, task_id, mode, state, params, options, save, created, place, key, fingerprint, script, "
                "user) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row.id,
                    row.client,
                    row.task_id,
                    row.params.mode,
                    row.params.model_dump_json(),
                    json.dumps(dict(row.options)),
                    row.save,
                    row.created,
                    row.place,
                    row.key,
                    row.fingerprint,
                    row.script.model_dump_json() if row.script else None,
                    row.user,
                ),
            )

    def set_started(self, job: str, at: float) -> None:
        """The engine has taken the job up."""
        with self._writing() as connection:
            connection.execute("UPDATE jobs SET state = 'running', started = ? WHERE id = ? AND state = 'queued'", (at, job))

    def set_queued(self, job: str, crashes: int) -> None:
        """The job waits again, after so many crashes in which it was running."""
        with self._writing() as connection:
            connection.execute("UPDATE jobs SET state = 'queued', crashes = ? WHERE id = ?", (crashes, job))

    def set_places(self, places: Mapping[str, float]) -> None:
        """Moves jobs in the line."""
        with self._writing() as connection:
            connection.executemany("UPDATE jobs SET place = ? WHERE id = ?", [(place, job) for job, place in places.items()])

    def end_job(
        self,
        job: str,
        state: JobState,
        at: float,
        *,
        error: JobError | None = None,
        interrupted: bool = False,
        seconds: Mapping[str, float] | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        """The job's last change; `outcome` is what a script's answer holds."""
        told = (error.code, error.message, error.status) if error else (None, None, None)
        with self._writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, ended = ?, interrupted = ?, error_code = ?, error_message = ?, error_status = ?, seconds = ?, "
                "outcome = ? WHERE id = ?",
                (state, at, interrupted, *told, json.dumps(dict(seconds or {})), _OUTCOME.dump_json(outcome).decode(), job),
            )

    def unended(self) -> list[Unended]:
        """What a former run left queued or running, in the order of the line."""
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY place, number").fetchall()
            return [self._unended(connection, row) for row in rows]

    def _unended(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Unended:
        pictures = connection.execute("SELECT * FROM pictures WHERE job = ? ORDER BY number", (row["id"],))
        written = JobRow(
            id=row["id"],
            client=row["client"],
            task_id=row["task_id"],
            params=_params(row["params"]),
            save=bool(row["save"]),
            options=json.loads(row["options"]),
            created=row["created"],
            place=row["place"],
            key=row["key"],
            script=_script(row["script"]),
            user=row["user"],
        )
        kept = tuple(_picture(picture) for picture in pictures)
        return Unended(row=written, was_running=row["state"] == "running", crashes=row["crashes"], pictures=kept)

    def row(self, job: str) -> JobRow | None:
        """The job as it was asked for."""
        with self._reading() as connection:
            found = connection.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
            return self._unended(connection, found).row if found else None

    def job_of_key(self, client: str, key: str) -> tuple[str, str | None] | None:
        """(job's id, fingerprint of its request) of a client's job with that key."""
        with self._reading() as connection:
            found = connection.execute("SELECT id, fingerprint FROM jobs WHERE client = ? AND key = ?", (client, key)).fetchone()
        return (found["id"], found["fingerprint"]) if found else None

    def paused(self) -> set[str]:
        """The clients whose jobs are held back."""
        with self._reading() as connection:
            return {row["client"] for row in connection.execute("SELECT client FROM paused")}

    def set_paused(self, client: str, paused: bool) -> None:
        """Holds a client's jobs back, or lets them go on."""
        with self._writing() as connection:
            if paused:
                connection.execute("INSERT OR IGNORE INTO paused (client) VALUES (?)", (client,))
            else:
                connection.execute("DELETE FROM paused WHERE client = ?", (client,))

    def add_input(self, client: str, name: str) -> None:
        """Records that the client has sent this input picture."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO inputs (client, input) VALUES (?, ?)", (client, name))

    def has_input(self, client: str, name: str) -> bool:
        """Whether the client has sent this input picture, or has a job that starts from it."""
        with self._reading() as connection:
            sent = "SELECT 1 FROM inputs WHERE client = :client AND input = :name"
            named = (
                "SELECT 1 FROM jobs WHERE client = :client AND (json_extract(params, '$.mask') = :name "
                "OR EXISTS (SELECT 1 FROM json_each(params, '$.init_images') WHERE value = :name))"
            )
            return connection.execute(f"{sent} UNION ALL {named} LIMIT 1", {"client": client, "name": name}).fetchone() is not None

    def add_picture(self, picture: PictureView) -> None:
        """Records a finished picture of a job that is there."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO pictures (id, job, number, seed, path, format, width, height, infotext) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    picture.id,
                    picture.job,
                    picture.number,
                    str(picture.seed),
                    picture.path,
                    picture.format,
                    picture.width,
                    picture.height,
                    picture.infotext,
                ),
            )

    def set_path(self, picture: str, path: str | None) -> None:
        """The picture's file got another name, or (None) was refused by the disk, after its row was written."""
        with self._writing() as connection:
            connection.execute("UPDATE pictures SET path = ? WHERE id = ?", (path, picture))

    def remove_picture(self, picture: str) -> None:
        """Takes back a picture that is not there: its file had no name yet when the program died."""
        with self._writing() as connection:
            connection.execute("DELETE FROM pictures WHERE id = ?", (picture,))

    def job(self, job: str) -> JobView | None:
        """The job of that id."""
        return next(iter(self._views("WHERE id = ?", (job,))), None)

    def job_of_task(self, task: str, client: str | None = None) -> JobView | None:
        """The newest job with that task id, of one client or of any."""
        clause, values = ("AND client = ? ", (task, client)) if client is not None else ("", (task,))
        return next(iter(self._views(f"WHERE task_id = ? {clause}ORDER BY number DESC LIMIT 1", values)), None)

    def jobs(self, *, client: str | None, states: Collection[JobState] | None, limit: int) -> list[JobView]:
        """Newest first, at most `limit`; None means any."""
        where, values = ["1"], list[object]()
        if client is not None:
            where.append("client = ?")
            values.append(client)
        if states is not None:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        return self._views(f"WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?", (*values, limit))

    def picture(self, picture: str) -> PictureView | None:
        """The picture of that id."""
        with self._reading() as connection:
            row = connection.execute("SELECT * FROM pictures WHERE id = ?", (picture,)).fetchone()
        return _picture(row) if row else None

    def _views(self, clause: str, values: tuple[object, ...]) -> list[JobView]:
        with self._reading() as connection:
            rows = connection.execute(f"SELECT * FROM jobs {clause}", values).fetchall()
            pictures: dict[str, list[PictureView]] = {row["id"]: [] for row in rows}
            marks = ", ".join("?" * len(pictures))
            for row in connection.execute(f"SELECT * FROM pictures WHERE job IN ({marks}) ORDER BY number", tuple(pictures)):
                pictures[row["job"]].append(_picture(row))
        return [_job(row, tuple(pictures[row["id"]])) for row in rows]

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last rows, never the file; a crash of the program costs nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        with self._writing():
            # Read inside the transaction: of two processes that start together, one migrates.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise BadDatabase(f"{self._path.name} was written by a newer Darkroom: update Darkroom, or move the file away.")
            for statement in ";".join(MIGRATIONS[version:]).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained(), transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what an owner can put right into one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte is the primary code
                case sqlite3.SQLITE_FULL:
                    raise DiskFull("The disk is full: the job could not be written down. Free some space and try again.") from error
                case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_BUSY:
                    raise CannotSave(f"{self._path.name} in the data folder cannot be used: {error}.") from error
                case _:
                    raise
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise BadDatabase(f"{self._path.name} is damaged: move it away to start with an empty history.") from error
            raise


_OUTCOME: TypeAdapter[Outcome | None] = TypeAdapter(Outcome | None)


def _script(text: str | None) -> ScriptCall | None:
    return ScriptCall.model_validate_json(text) if text else None


def _picture(row: sqlite3.Row) -> PictureView:
    return PictureView(**{**dict(row), "seed": int(row["seed"])})


def _params(text: str) -> GenerationParams:
    try:
        return GenerationParams.model_validate_json(text)
    except ValidationError:
        # Accepted under another version's limits: history shows it as it was, and must not fail for it.
        values = json.loads(text)
        return GenerationParams.model_construct(**{name: values[name] for name in GenerationParams.model_fields if name in values})


def _job(row: sqlite3.Row, kept: tuple[PictureView, ...]) -> JobView:
    pictures = Sorted.of(kept)
    error = None
    if row["error_code"] is not None:
        error = JobError(code=row["error_code"], message=row["error_message"], status=row["error_status"])
    done = row["state"] == "done"
    return JobView(
        id=row["id"],
        client=row["client"],
        task_id=row["task_id"],
        mode=row["mode"],
        params=_params(row["params"]),
        save=bool(row["save"]),
        state=row["state"],
        progress=1.0 if done else 0.0,
        pictures=pictures.results,
        beside=pictures.beside,
        grid=pictures.grid,
        further_grids=pictures.further_grids,
        script=_script(row["script"]),
        outcome=_OUTCOME.validate_json(row["outcome"]) if row["outcome"] else None,
        error=error,
        interrupted=bool(row["interrupted"]),
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        crashes=row["crashes"],
        seconds=json.loads(row["seconds"]) if row["seconds"] else {},
    )
