"""The downloads of this server: a list on the disk, a few at work, each with its speed; they go on after a restart."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from app.downloads.errors import Stopped, WrongFile
from app.downloads.landing import checked_kind, folder_of, land, safe_file_name
from app.downloads.sources import Sites, check_wish, find_offer, shown_address, split_token
from app.downloads.transfer import Limits, Wanted, discard, fetch
from app.models.folders import Kind
from app.schema.errors import DarkroomError, NotFound
from app.schema.kept_list import KeptList
from app.schema.settings import ServerSettings

log = logging.getLogger(__name__)

State = Literal["queued", "running", "paused", "done", "failed"]
AT_ONCE = 2
KEPT = 200
"""Ended downloads that the list remembers."""
SPEED_OVER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file, as the list shows it."""

    id: str
    asked: str = field(repr=False)
    """What was typed, without Civitai's token."""
    client: str = field(default="", repr=False)
    """Who asked for it."""
    url: str = field(default="", repr=False)
    """Where the file itself is, once that is known."""
    name: str = ""
    kind: Kind | None = None
    state: State = "queued"
    done_bytes: int = 0
    total_bytes: int | None = None
    bytes_per_s: float = 0.0
    error: str = ""
    file: str = ""
    """Its name in its folder, once it is there."""
    page: str = ""
    created: float = field(default_factory=time.time)

    @property
    def shown(self) -> str:
        """What was typed, as people may see it."""
        return shown_address(self.asked)

    @property
    def left_s(self) -> float | None:
        """How long it still takes at this speed."""
        if self.state != "running" or self.total_bytes is None or self.bytes_per_s <= 0:
            return None
        return max(0.0, self.total_bytes - self.done_bytes) / self.bytes_per_s


@dataclass(eq=False)
class _Work:
    """What the list does not show."""

    stop: threading.Event = field(default_factory=threading.Event)
    token: str | None = field(default=None, repr=False)
    """One that was typed as a part of the address; it is never written down."""
    seen: deque[tuple[float, int]] = field(default_factory=deque)


class Downloads:
    """Thread-safe. Nothing starts before `start`."""

    def __init__(
        self, settings: ServerSettings, sites: Sites, *, limits: Limits | None = None, on_landed: Callable[[Path], None] = lambda _: None
    ) -> None:
        """`on_landed` is told of each file that has come, in a thread of ours."""
        self._settings, self._sites, self._limits, self._on_landed = settings, sites, limits or Limits(), on_landed
        self._kept = KeptList(settings.data_dir / "downloads.json", Download, "downloads")
        self._lock, self._landing, self._wakes = threading.RLock(), threading.Lock(), threading.Condition()
        self._downloads = {download.id: download for download in self._read()}
        self._works: dict[str, _Work] = {}
        self._at_work: set[str] = set()
        self._removed: dict[str, Download] = {}
        """Taken off the list; their parts go when nobody writes them any more."""
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def start(self) -> None:
        """Begins with what is queued, or was at work when the server ended."""
        self._threads = [threading.Thread(target=self._run, name=f"downloads {n}", daemon=True) for n in range(AT_ONCE)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stops; what has come is kept, and goes on at the next start."""
        self._closing.set()
        with self._lock:
            for work in self._works.values():
                work.stop.set()
        with self._wakes:
            self._wakes.notify_all()
        for thread in self._threads:
            thread.join()
        self._kept.close()

    def all(self, client: str | None = None) -> list[Download]:
        """All of them, or those of one client; the newest first."""
        with self._lock:
            found = [download for download in self._downloads.values() if client in (None, download.client)]
        return sorted(found, key=lambda download: download.created, reverse=True)

    def get(self, wanted: str, client: str | None = None) -> Download:
        """One of them; NotFound, also for one that is not this client's."""
        with self._lock:
            download = self._downloads.get(wanted)
        if download is None or client not in (None, download.client):
            raise NotFound("There is no such download.")
        return download

    def add(self, typed: str, kind: Kind | None = None, client: str = "") -> Download:
        """A file to be had: an address, a page at Civitai, a hash (else InvalidParams). What it is, is asked when its turn comes.

        The same wish twice is one download, which goes on if it has failed or was paused; but nobody's wish moves another client's.
        """
        asked, token = split_token(typed.strip(), self._sites)
        check_wish(asked, self._sites, self._limits.way)
        with self._lock:
            own = self.all(client if self._settings.public else None)
            same = next((download for download in own if download.asked == asked and download.state != "done"), None)
            if same is not None:
                if kind is not None:
                    self._change(same.id, kind=kind)
                return self.resume(same.id, token)
            download = Download(id=uuid4().hex, asked=asked, kind=kind, client=client)
            self._downloads[download.id] = download
            self._works[download.id] = _Work(token=token)
            self._write()
        with self._wakes:
            self._wakes.notify()
        return download

    def pause(self, wanted: str) -> Download:
        """Stops it; what has come is kept."""
        with self._lock:
            download = self.get(wanted)
            if download.state in ("queued", "running"):
                self._change(wanted, state="paused", bytes_per_s=0.0)
                if wanted in self._works:
                    self._works[wanted].stop.set()
            return self._downloads[wanted]

    def resume(self, wanted: str, token: str | None = None) -> Download:
        """Goes on with one that is paused or has failed."""
        with self._lock:
            if self.get(wanted).state in ("paused", "failed"):
                self._works[wanted] = _Work(token=token or (self._works[wanted].token if wanted in self._works else None))
                self._change(wanted, state="queued", error="")
        with self._wakes:
            self._wakes.notify()
        return self.get(wanted)

    def remove(self, wanted: str) -> None:
        """Takes it off the list and forgets what has come of it; a file that is there whole stays."""
        with self._lock:
            download = self.get(wanted)
            if wanted in self._works:
                self._works[wanted].stop.set()
            del self._downloads[wanted]
            self._removed[wanted] = download
            self._write()
            at_work = wanted in self._at_work
        if not at_work:
            self._tidy(wanted)

    # the threads

    def _run(self) -> None:
        while not self._closing.is_set():
            download = self._next()
            if download is None:
                with self._wakes:
                    self._wakes.wait(timeout=1.0)
                continue
            try:
                self._fetch(download)
            except Stopped:
                pass  # paused, removed, or the server ends
            except DarkroomError as error:
                self._fail(download.id, str(error))
            except Exception as error:
                log.exception("a download failed in a way that was not foreseen")
                self._fail(download.id, f"It failed ({type(error).__name__}); the server's log says more.")
            finally:
                with self._lock:
                    self._at_work.discard(download.id)
                self._tidy(download.id)

    def _next(self) -> Download | None:
        with self._lock:
            waiting = [d for d in self._downloads.values() if d.state == "queued" and d.id not in self._at_work]
            if not waiting or self._closing.is_set():
                return None
            first = min(waiting, key=lambda download: download.created)
            self._works.setdefault(first.id, _Work())
            self._at_work.add(first.id)
            return self._change(first.id, state="running")

    def _fetch(self, download: Download) -> None:
        work = self._works[download.id]
        sites = self._sites
        if work.token:
            sites = replace(sites, civitai_token=work.token)
        offer = find_offer(download.asked, sites, self._limits.way)
        self._change(download.id, name=offer.name, page=offer.page, url=offer.url, total_bytes=offer.size_bytes)

        def progress(done: int, total: int | None) -> None:
            self._progressed(download.id, work, done, total)

        wanted = Wanted(url=offer.url, folder=self._folder, key=download.id, sha256=offer.sha256, token=sites.token(offer.url))
        fetched = fetch(wanted, self._limits, progress, work.stop.is_set)
        try:
            name = safe_file_name(offer.name or fetched.name, "model")
            found = checked_kind(fetched.path, name, download.kind or offer.kind)
            kind = download.kind or found
            with self._landing:
                target = land(fetched.path, folder_of(kind, self._settings), name, offer.about)
        except WrongFile:
            discard(wanted)
            raise
        discard(wanted)
        size = target.stat().st_size
        self._on_landed(target)  # before anybody is told: whoever waits for the file finds it in the catalogue
        self._change(download.id, state="done", file=target.name, name=name, kind=kind, done_bytes=size, total_bytes=size, bytes_per_s=0.0)

    @property
    def _folder(self) -> Path:
        return self._settings.models / ".downloads"

    def _tidy(self, wanted: str) -> None:
        """Forgets what has come of one that was taken off the list."""
        with self._lock:
            removed = self._removed.pop(wanted, None)
            if removed is not None:
                self._works.pop(wanted, None)
        if removed is not None and removed.url and removed.state != "done":
            discard(Wanted(url=removed.url, folder=self._folder, key=wanted))

    def _progressed(self, wanted: str, work: _Work, done: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            if wanted not in self._downloads:
                return
            work.seen.append((now, done))
            while len(work.seen) > 2 and now - work.seen[0][0] > SPEED_OVER_S:
                work.seen.popleft()
            before, seconds = work.seen[0][1], now - work.seen[0][0]
            speed = (done - before) / seconds if seconds > 0 else 0.0
            self._downloads[wanted] = replace(self._downloads[wanted], done_bytes=done, total_bytes=total, bytes_per_s=max(0.0, speed))

    def _fail(self, wanted: str, reason: str) -> None:
        with self._lock:
            if wanted in self._downloads and self._downloads[wanted].state == "running":
                self._change(wanted, state="failed", error=reason, bytes_per_s=0.0)

    # the list on the disk

    def _change(self, wanted: str, **changes: Any) -> Download:
        with self._lock:
            if wanted not in self._downloads:
                raise Stopped
            self._downloads[wanted] = replace(self._downloads[wanted], **changes)
            self._write()
            return self._downloads[wanted]

    def _write(self) -> None:
        ended = [d for d in self.all() if d.state in ("done", "failed")]
        for old in ended[KEPT:]:
            del self._downloads[old.id]
        self._kept.write(self._downloads.values())

    def _read(self) -> list[Download]:
        return [replace(d, state="queued", bytes_per_s=0.0) if d.state == "running" else d for d in self._kept.read()]
