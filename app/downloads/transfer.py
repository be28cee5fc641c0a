"""One file over several connections; what has come survives a cut, a restart, `kill -9`, and is checked before it gets its name."""

import contextlib
import http.client
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from app.downloads.ask import Busy, Way, asked
from app.downloads.errors import DownloadFailed, Stopped, WrongFile
from app.models.hashes import HashingCancelled, sha256_of
from app.remote import place_of
from app.schema.disk import DiskFull, is_full

CHUNK_BYTES = 256 * 1024
LONGEST_WAIT_S = 60.0
ROOM_TO_SPARE_BYTES = 256 * 2**20
"""What a disk must have left beside the file."""

T = TypeVar("T")
OnProgress = Callable[[int, int | None], None]
"""(bytes here, bytes in all, or None while that is not known)"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How a file is fetched."""

    way: Way = field(default_factory=Way)
    connections: int = 4
    part_bytes: int = 32 * 2**20
    tries: int = 6
    """Of one part, before the download fails."""
    first_wait_s: float = 1.0
    """Before the second try; doubled for each further one."""
    max_bytes: int = 200 * 2**30


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to be had."""

    url: str
    folder: Path
    """Where its parts lie while it comes."""
    key: str
    """Names the parts: no two downloads at work may have the same."""
    sha256: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Told:
    """What the server says of the file."""

    total: int | None
    stamp: str | None
    """Changes when the file does."""
    ranges: bool
    name: str


@dataclass(frozen=True)
class Fetched:
    """A file that has come whole, under a hidden name."""

    path: Path
    name: str
    """What the server calls it; no path."""


def fetch(wanted: Wanted, limits: Limits, on_progress: OnProgress, stopped: Callable[[], bool]) -> Fetched:
    """Fetches the file, or the rest of it, and compares its hash with the one that was promised. Its notes stay until `discard`.

    Raises Stopped when `stopped` says so, and a DarkroomError with one sentence: DownloadFailed, NeedsToken, WrongFile (nothing is kept
    of that), DiskFull, InvalidParams for an address that may not be asked.
    """
    told = _patiently(lambda: _probe(wanted, limits), limits, stopped)
    if told.total is not None and told.total > limits.max_bytes:
        raise DownloadFailed(f"The file has {told.total:,} bytes; more than {limits.max_bytes:,} are not fetched.")
    part, _ = part_files(wanted)
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        if told.ranges and told.total is not None:
            _Parts(wanted, limits, told, on_progress, stopped).run()
        else:
            _patiently(lambda: _stream(wanted, limits, on_progress, stopped), limits, stopped)
        _verify(part, wanted, stopped)
    except WrongFile:
        discard(wanted)
        raise
    except OSError as error:
        if is_full(error):
            raise DiskFull("There is not enough room on the disk for the file. Free some space and go on.") from error
        raise DownloadFailed(f"The file could not be written: {error.strerror or type(error).__name__}.") from error
    return Fetched(part, told.name)


def part_files(wanted: Wanted) -> tuple[Path, Path]:
    """Where what has come lies, and the notes of which parts that is."""
    part = wanted.folder / f".{wanted.key}.download"
    return part, part.with_suffix(".json")


def discard(wanted: Wanted) -> None:
    """Forgets what has come."""
    for path in part_files(wanted):
        path.unlink(missing_ok=True)


def _patiently(work: Callable[[], T], limits: Limits, stopped: Callable[[], bool]) -> T:
    """Tries again after cuts and where the server asks for patience."""
    for attempt in range(limits.tries):
        pause = min(LONGEST_WAIT_S, limits.first_wait_s * 2**attempt)
        try:
            return work()
        except Busy as busy:
            failure: DownloadFailed = DownloadFailed(str(busy))
            pause = min(LONGEST_WAIT_S, busy.after_s) if busy.after_s is not None else pause
        except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
            failure = DownloadFailed(f"The connection was cut ({type(error).__name__}). What has come is kept; go on later.")
        except OSError as error:
            if is_full(error):
                raise
            failure = DownloadFailed(f"The server cannot be reached ({error.strerror or type(error).__name__}).")
        if attempt + 1 < limits.tries:
            _sleep(pause, stopped)
    raise failure


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if stopped():
            raise Stopped
        time.sleep(min(0.1, left))


def _probe(wanted: Wanted, limits: Limits) -> _Told:
    """Asks for the first byte: the answer tells whether parts can be asked for, and how much there is."""
    with asked(wanted.url, limits.way, {"Range": "bytes=0-0"}, wanted.token) as answer:
        stamp = answer.header("ETag") or answer.header("Last-Modified")
        name = _name(answer.header("Content-Disposition"), wanted.url)
        span = re.fullmatch(r"bytes 0-0/(\d+)", answer.header("Content-Range") or "")
        if answer.response.status == 206 and span:
            return _Told(int(span[1]), stamp, True, name)
        length = answer.header("Content-Length") or ""
        return _Told(int(length) if length.isdigit() else None, stamp, False, name)


def _name(disposition: str | None, url: str) -> str:
    """As the server calls it, without any folder."""
    message = Message()
    message["Content-Disposition"] = (disposition or "").replace("\r", " ").replace("\n", " ")
    name = message.get_filename() or unquote(place_of(url, "a file").parts.path)
    return name.replace("\\", "/").rpartition("/")[2]


def _stream(wanted: Wanted, limits: Limits, on_progress: OnProgress, stopped: Callable[[], bool]) -> None:
    """From a server that gives no parts: from the beginning each time."""
    part, _ = part_files(wanted)
    with asked(wanted.url, limits.way, {}, wanted.token) as answer, part.open("wb") as file:
        length = answer.header("Content-Length") or ""
        total, done = int(length) if length.isdigit() else None, 0
        while data := answer.response.read1(CHUNK_BYTES):
            done += file.write(data)
            on_progress(done, total)
            if stopped():
                raise Stopped
            if done > limits.max_bytes:
                raise DownloadFailed(f"The file has more than {limits.max_bytes:,} bytes, which are not fetched.")
        if total is not None and done != total:
            raise http.client.IncompleteRead(b"", total - done)


def _verify(part: Path, wanted: Wanted, stopped: Callable[[], bool]) -> None:
    if wanted.sha256 is None:
        return
    try:
        found = sha256_of(part, cancelled=stopped)
    except HashingCancelled:
        raise Stopped from None
    if found != wanted.sha256.lower():
        raise WrongFile(
            f"What came is not the file that was promised: its sha256 begins with {found[:10]}, wanted was {wanted.sha256[:10].lower()}."
        )


class _Parts:
    """The parts of a file whose server gives them one by one, asked for over several connections."""

    def __init__(self, wanted: Wanted, limits: Limits, told: _Told, on_progress: OnProgress, stopped: Callable[[], bool]) -> None:
        assert told.total is not None
        self._wanted, self._limits, self._told, self._total = wanted, limits, told, told.total
        self._on_progress, self._asked_to_stop = on_progress, stopped
        self._part, self._notes = part_files(wanted)
        self._lock, self._failed = threading.Lock(), threading.Event()
        self._done = self._resumed()
        self._here = sum(self._length(number) for number in self._done)
        self._begun: dict[int, int] = {}
        """Bytes of parts that are on their way."""

    def run(self) -> None:
        missing = [number for number in range(-(-self._total // self._limits.part_bytes)) if number not in self._done]
        wanted_bytes = sum(self._length(number) for number in missing)
        if shutil.disk_usage(self._wanted.folder).free < wanted_bytes + ROOM_TO_SPARE_BYTES:
            raise DiskFull(f"The file needs {wanted_bytes / 2**30:.1f} GB more than the disk has free. Free some space and go on.")
        with self._part.open("ab") as file:
            file.truncate(self._total)
        self._on_progress(self._here, self._total)
        with ThreadPoolExecutor(self._limits.connections, thread_name_prefix="download") as pool:
            works = [pool.submit(self._work, number) for number in missing]
            _, others = wait(works, return_when=FIRST_EXCEPTION)
            if others:
                self._failed.set()
                for work in others:
                    work.cancel()
        errors = [work.exception() for work in works if not work.cancelled() and work.exception() is not None]
        if errors:
            raise min((error for error in errors if error is not None), key=lambda error: isinstance(error, Stopped))

    def _length(self, number: int) -> int:
        return min(self._limits.part_bytes, self._total - number * self._limits.part_bytes)

    def _resumed(self) -> set[int]:
        """Parts that came before, where file and server still agree with the notes."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            notes = json.loads(self._notes.read_bytes())
            same = (notes.get("total"), notes.get("stamp"), notes.get("part_bytes")) == self._about() and self._told.stamp is not None
            if same and self._part.stat().st_size == self._total:
                return {n for n in notes["done"] if isinstance(n, int) and 0 <= n * self._limits.part_bytes < self._total}
        self._part.unlink(missing_ok=True)
        return set()

    def _about(self) -> tuple[int, str | None, int]:
        return self._total, self._told.stamp, self._limits.part_bytes

    def _stopped(self) -> bool:
        return self._failed.is_set() or self._asked_to_stop()

    def _work(self, number: int) -> None:
        if self._stopped():
            raise Stopped
        _patiently(lambda: self._get(number), self._limits, self._stopped)
        with self._lock:
            self._done.add(number)
            self._here += self._length(number)
            self._begun.pop(number, None)
            total, stamp, part_bytes = self._about()
            text = json.dumps({"total": total, "stamp": stamp, "part_bytes": part_bytes, "done": sorted(self._done)})
            fresh = self._notes.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(self._notes)

    def _get(self, number: int) -> None:
        first, length = number * self._limits.part_bytes, self._length(number)
        headers = {"Range": f"bytes={first}-{first + length - 1}"}
        if self._told.stamp is not None and not self._told.stamp.startswith("W/"):
            headers["If-Range"] = self._told.stamp
        with asked(self._wanted.url, self._limits.way, headers, self._wanted.token) as answer, self._part.open("r+b") as file:
            if answer.response.status != 206 or answer.header("Content-Range") != f"bytes {first}-{first + length - 1}/{self._total}":
                raise WrongFile("The file changed on the server while it was fetched. Begin again.")
            file.seek(first)
            done = 0
            while done < length and (data := answer.response.read1(min(CHUNK_BYTES, length - done))):
                done += file.write(data)
                with self._lock:
                    self._begun[number] = done
                    here = self._here + sum(self._begun.values())
                self._on_progress(here, self._total)
                if self._stopped():
                    raise Stopped
        if done != length:
            raise http.client.IncompleteRead(b"", length - done)
