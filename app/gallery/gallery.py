"""The gallery: every picture in the outputs folder and in folders that were added, found, marked, compared, thrown away, brought back."""

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import watchfiles

from app.gallery import trash
from app.gallery.entry import Told, told_by
from app.gallery.facets import Facet
from app.gallery.index import Found, Index, Page
from app.gallery.marks import Change, Marks
from app.gallery.scan import Folder, Progress, Scanner
from app.gallery.search import Search
from app.gallery.thumbnails import Thumbnails
from app.gallery.trash import Trashed
from app.metadata import stripped
from app.schema.errors import DarkroomError, InvalidParams, NotFound
from app.trash import destroy, restore

log = logging.getLogger(__name__)

OUTPUTS = 0
RESCAN_S = 900.0
"""Folders on other machines do not tell of changes: everything is looked through again after so long."""
_OF_THE_SYSTEM = (Path("/proc"), Path("/sys"), Path("/dev"))
"""What is in them changes without end, and may not end."""
_WAKE_MS = 500
_SETTLE_MS = 400


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the index is doing."""

    scanning: bool
    looked_at: int
    read: int
    total: int
    following: bool
    """Whether changes on the disk are told by the system; else they are found by looking."""


class Gallery:
    """Index, marks, thumbnails and trash of one data folder. Every method may be called from any thread.

    `owner` is the client whose pictures alone may be seen; None: all. Pictures of others are NotFound, as if they were not there.
    """

    def __init__(self, data_dir: Path, outputs: Path, *, rescan_s: float = RESCAN_S) -> None:
        self.marks = Marks(data_dir / "gallery.sqlite3")
        self.index = Index(data_dir / "cache" / "gallery.sqlite3", self.marks)
        self._thumbnails = Thumbnails(data_dir / "cache" / "thumbnails")
        self._outputs, self._rescan_s = outputs, rescan_s
        self._progress, self._following = Progress(), False
        self._stop, self._wake = threading.Event(), threading.Event()
        self._scanner = Scanner(self.index, self._progress, self._stop.is_set)
        self._working = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look through the folders, and to follow what changes in them."""
        self._thread = threading.Thread(target=self._run, name="gallery", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends everything and closes the files."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.index.close()
        self.marks.close()

    def saved(self, path: Path, data: bytes, client: str) -> None:
        """A job has saved a picture: it is in the gallery at once, and its client's. Never fails: the scan finds it, too."""
        try:
            self.marks.set_owner(hashlib.sha256(data).digest(), client)
            self._scanner.look(Folder(OUTPUTS, self._outputs), [path])
        except (DarkroomError, sqlite3.Error, OSError, ValueError):
            log.exception("%s is not in the gallery yet", path.name)

    # finding

    def find(self, search: Search, owner: str | None, *, limit: int = 100, cursor: int | None = None) -> Page:
        """One page of what is looked for."""
        return self.index.find(_owned(search, owner), limit=limit, cursor=cursor)

    def get(self, ids: Sequence[str], owner: str | None) -> list[Found]:
        """The pictures of those ids; NotFound."""
        found = self.index.get(ids)
        if owner is not None and any(one.marked.owner != owner for one in found):
            raise NotFound("That picture is not in the gallery any more.")
        return found

    def path_of(self, one: Found) -> Path:
        """Where the file lies; NotFound if it went, or leads out of its folder."""
        root = self._root(one.entry.place.folder)
        path = root / one.entry.place.relative
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            raise NotFound("That picture is not there any more.")
        return path

    def told(self, one: Found) -> Told:
        """How the picture was made, from its file."""
        return told_by(self.path_of(one))

    def thumbnail(self, one: Found) -> bytes:
        """A small look as WebP."""
        return self._thumbnails.get(one.entry.content, self.path_of(one))

    def data(self, one: Found, *, strip: bool) -> bytes:
        """The file, without its settings if `strip`."""
        try:
            data = self.path_of(one).read_bytes()
        except OSError as error:
            raise NotFound("That picture is not there any more.") from error
        return stripped(data) if strip else data

    # marking

    def change(self, ids: Sequence[str], change: Change, owner: str | None) -> list[Found]:
        """Says the same of all of these pictures; how they stand now."""
        contents = list(dict.fromkeys(one.entry.content for one in self.get(ids, owner)))
        self.marks.change(contents, change)
        self.index.remark(contents)
        return self.get(ids, owner)

    # trash

    def throw_away(self, ids: Sequence[str], owner: str | None) -> list[str]:
        """Moves pictures to the trash; their keys there. What a fault stops keeps what was moved before it."""
        keys = []
        for one in self.get(ids, owner):
            place = one.entry.place
            keys.append(trash.put(self._root(place.folder), place.relative, one.entry.content))
            self.index.remove(place.folder, place.directory, [place.name])
        return keys

    def trashed(self, owner: str | None) -> list[Trashed]:
        """What is in the trash, the newest first."""
        found = [one for folder in self.folders() for one in trash.listed(folder.path, folder.number)]
        if owner is not None:
            marked = self.marks.of([one.content for one in found])
            found = [one for one in found if one.content in marked and marked[one.content].owner == owner]
        return sorted(found, key=lambda one: one.place.deleted, reverse=True)

    def find_trashed(self, keys: Sequence[str], owner: str | None) -> list[Trashed]:
        """Pictures in the trash by their keys; NotFound."""
        found = {one.place.key: one for one in self.trashed(owner)}
        for key in keys:
            if key not in found:
                raise NotFound("That picture is not in the trash any more.")
        return [found[key] for key in keys]

    def trashed_thumbnail(self, one: Trashed) -> bytes:
        """A small look at a picture in the trash."""
        return self._thumbnails.get(one.content, one.place.path)

    def restore(self, keys: Sequence[str], owner: str | None) -> int:
        """Brings pictures back from the trash; how many."""
        for one in self.find_trashed(keys, owner):
            folder = Folder(one.folder, self._root(one.folder))
            self._scanner.look(folder, [restore(folder.path, one.place)])
        return len(keys)

    def destroy(self, keys: Sequence[str], owner: str | None) -> int:
        """Deletes for good what is in the trash; how many."""
        for one in self.find_trashed(keys, owner):
            destroy(one.place)
            self._thumbnails.forget(one.content)
        return len(keys)

    # folders and the index itself

    def folders(self) -> list[Folder]:
        """The outputs folder, then those that were added."""
        return [Folder(OUTPUTS, self._outputs), *(Folder(number, path) for number, path in self.marks.folders())]

    def add_folder(self, given: str) -> None:
        """Takes a further folder in. InvalidParams for one that is not there, or lies in or around another one."""
        path = Path(given.strip()).expanduser()
        if not given.strip() or "\x00" in given or not path.is_absolute() or not path.is_dir():
            raise InvalidParams(f"There is no folder {given.strip()[:200]!r}: give its whole path.")
        path = path.resolve()
        if any(path.is_relative_to(place) for place in _OF_THE_SYSTEM):
            raise InvalidParams(f"{path} is no folder of files but the system's own.")
        for folder in self.folders():
            other = folder.path.resolve()
            if path.is_relative_to(other) or other.is_relative_to(path):
                raise InvalidParams(f"{path} and {other}, which is in the gallery already, lie in each other.")
        self.marks.add_folder(path)
        self.rescan()

    def remove_folder(self, number: int) -> None:
        """Leaves a folder out from now on; its files and what was said of them stay. NotFound."""
        if number not in [known for known, _ in self.marks.folders()]:
            raise NotFound("That folder is not in the gallery.")
        self.marks.remove_folder(number)
        self.index.remove_directory(number, "")
        self._wake.set()

    def rescan(self) -> None:
        """Looks through all folders again, soon."""
        self._wake.set()

    def rebuild(self) -> None:
        """Makes the index anew from the files."""
        with self._working:
            self.index.clear()
        self.rescan()

    def status(self, owner: str | None) -> Status:
        """What the index is doing."""
        progress = self._progress
        return Status(
            scanning=progress.running,
            looked_at=progress.looked_at,
            read=progress.read,
            total=self.index.total(owner),
            following=self._following,
        )

    def scan(self) -> None:
        """Looks through all folders now; returns when that is done."""
        with self._working:
            self._progress.running, self._progress.looked_at, self._progress.read = True, 0, 0
            try:
                known = self.folders()
                for folder in known:
                    self._scanner.scan(folder)
                for number in set(self.index.folders()) - {folder.number for folder in known}:
                    self.index.remove_directory(number, "")
            finally:
                self._progress.running = False

    # inside

    def _root(self, number: int) -> Path:
        for folder in self.folders():
            if folder.number == number:
                return folder.path
        raise NotFound("That picture's folder is not in the gallery any more.")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._follow()
            except Exception:  # one bad disk must not end the gallery for good
                log.exception("following the folders failed; they are looked through again later")
                self._following = False
                self._wake.wait(self._rescan_s)

    def _follow(self) -> None:
        """Scans, then takes what the system tells, until somebody wakes it or a long time has passed."""
        folders = self._present()
        changes = self._watch([folder.path for folder in folders])
        next(changes, None)  # the system watches from here on, so nothing is missed while the scan runs
        self.scan()
        ends = time.monotonic() + self._rescan_s
        for paths in changes:
            if self._wake.is_set() or self._stop.is_set() or time.monotonic() > ends or (not paths and self._present() != folders):
                return
            with self._working:
                for folder in folders:
                    self._scanner.look(folder, (path for path in paths if path.is_relative_to(folder.path) and path != folder.path))

    def _present(self) -> list[Folder]:
        """The folders that are there: a disk may come and go."""
        return [folder for folder in self.folders() if folder.path.is_dir()]

    def _watch(self, roots: Sequence[Path]) -> Iterator[list[Path]]:
        """Lists of changed paths; empty ones in between, so that the caller can look around."""
        told: Callable[..., Iterable[set[tuple[watchfiles.Change, str]]]] = watchfiles.watch
        if roots:
            with suppress(OSError, RuntimeError):
                watched = told(
                    *roots,
                    watch_filter=None,
                    debounce=_SETTLE_MS,
                    step=100,
                    rust_timeout=_WAKE_MS,
                    yield_on_timeout=True,
                    stop_event=self._stop,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                )
                for changed in watched:
                    self._following = True
                    yield [Path(path) for _, path in changed]
                return
        self._following = False
        while not self._stop.is_set():
            yield []
            self._wake.wait(_WAKE_MS / 1000)


def _owned(search: Search, owner: str | None) -> Search:
    if owner is None:
        return search
    return Search(
        text=search.text,
        facets=(*search.facets, Facet("owner", owner)),
        after=search.after,
        before=search.before,
        oldest_first=search.oldest_first,
    )
