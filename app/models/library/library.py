"""The collection of all model files: their cards, found and sorted, and what a user says of them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.models.cache import recogniser_version
from app.models.catalog import Catalog, natural_key
from app.models.facts import ModelFile
from app.models.folders import Kind, roots
from app.models.library.beside import CIVITAI, NOTES, PREVIEWS, Beside, Folders, path_beside, write_beside
from app.models.library.cards import Card, CardPage, Search, find, used_cards, words_of
from app.models.library.details import UNREAD, Details, read_details
from app.models.library.hashing import HashJobs
from app.models.library.marks import UNMARKED, Marks
from app.models.library.told import NO_NOTES, NOTHING_TOLD, BadNotes, Civitai, Notes, read_civitai, read_notes, write_notes
from app.models.library.watching import Follower
from app.schema.disk import CannotSave
from app.schema.errors import InvalidParams, UnknownName

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""Facts are kept in portions, so that a first look at thousands of files can be interrupted, and cards fill while it runs."""


_NEWS_S = 1.0
_TOGETHER_S = 2.0
"""Uses that come within so long are written down together."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What reading a model file and the notes beside it gave; kept from run to run."""

    details: Details
    notes: Notes = NO_NOTES
    civitai: Civitai = NOTHING_TOLD
    remarks: tuple[str, ...] = ()


_NOTHING = Known(details=UNREAD)
_KNOWN: TypeAdapter[Known] = TypeAdapter(Known)


class Library:
    """Cards of a catalogue's files; may be used from many threads. Headers and notes are read once for each of their states."""

    def __init__(self, catalog: Catalog, marks: Path) -> None:
        self._catalog = catalog
        self.marks = Marks(marks)
        self._lock, self._reading, self._changing = threading.RLock(), threading.Lock(), threading.Lock()
        self._version = recogniser_version()
        self._known: dict[str, tuple[str, Known]] | None = None
        self._cards: dict[tuple[Kind, str], Card] = {}
        self._seen: tuple[int, int] | None = None
        self._unread: list[tuple[ModelFile, Beside]] = []
        self._used: dict[tuple[Kind, str], float] = {}
        self._prompts: dict[str, float] = {}
        self._told_at = 0.0
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._news: list[Callable[[Mapping[str, object]], None]] = []
        self.hashes = HashJobs(catalog)
        self._follower = Follower(lambda: [root.folder for root in roots(catalog.settings)], catalog.refresh)
        catalog.on_change(self._wake.set)

    # ------------------------------------------------------------ life

    def on_news(self, watcher: Callable[[Mapping[str, object]], None]) -> None:
        """Calls it when cards have changed, in the thread that reads: how many `files` there are, and how many of them are `unread`."""
        self._news.append(watcher)

    def start(self) -> None:
        """Follows the folders, and reads what is new there, in threads of their own."""
        self._follower.start()
        self._thread = threading.Thread(target=self._run, name="library", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends everything and writes down what was used."""
        self._follower.close()
        self._stopping.set()
        self._wake.set()
        self.hashes.close()
        if self._thread is not None:
            self._thread.join()
        self.note_uses()
        self.marks.close()

    # ------------------------------------------------------------ finding

    def find(self, search: Search, *, offset: int = 0, limit: int = 100) -> CardPage:
        """A page of the cards that fit, at once: of files that are new, what has been read of them so far."""
        with self._lock:
            self._look()
            cards = list(self._cards.values())
        return find(cards, search, offset, limit)

    def get(self, kind: Kind, filename: str) -> Card:
        """The card of a file by its path below its folder; UnknownName."""
        with self._lock:
            self._look()
            card = self._cards.get((kind, filename))
            if card is None:
                raise UnknownName(kind, filename, [name for known, name in self._cards if known == kind])
        return card

    def preview(self, kind: Kind, filename: str) -> tuple[Path, str] | None:
        """(path, stamp) of a card's picture, if it has one that lies in a folder of models."""
        card = self.get(kind, filename)
        if card.preview is None:
            return None
        if not Path(card.preview).is_file():  # it was one when the folder was looked at
            return None
        real = Path(card.preview).resolve()
        inside = [root.folder.resolve() for root in roots(self._catalog.settings)] + [card.file.path.resolve().parent]
        return (real, card.preview_stamp) if any(real.is_relative_to(folder) for folder in inside) else None

    def read(self) -> None:
        """Reads all headers and notes that have not been read in their present state; returns when that is done."""
        with self._reading:
            while not self._stopping.is_set():
                with self._lock:
                    self._look()
                    portion = self._unread[:_AT_ONCE]
                if not portion:
                    return
                self._take(portion)
                self._tell_now_and_then()

    # ------------------------------------------------------------ what a user says

    def change(self, kind: Kind, filename: str, change: Mapping[str, Any]) -> Card:
        """Says some of a file: fields of `Mark` and `Notes` by name; None and empty texts clear. UnknownName.

        Notes are also written into A1111's file beside it. BadNotes where that holds something else, CannotSave where it says
        otherwise and cannot be changed; then nothing is changed.
        """
        with self._changing:
            return self._changed(self.get(kind, filename), change)

    def _changed(self, card: Card, change: Mapping[str, Any]) -> Card:
        noted = {field.name: change[field.name] or None for field in fields(Notes) if field.name in change}
        if noted:
            self._write_notes(card, noted)
        own = {name: change[name] or getattr(UNMARKED, name) for name in ("favourite", "preferred_vae") if name in change}
        self.marks.set([(card.file, replace(card.mark, notes=replace(card.said, **noted), **own))])
        self._catalog.want_hashes([card.file.path])
        if noted:
            self._take([(card.file, Folders().beside(card.file))])
        with self._lock:
            for key, other in list(self._cards.items()):
                if other.file.path == card.file.path or (card.file.sha256 is not None and other.file.sha256 == card.file.sha256):
                    marked = replace(other, mark=self.marks.of(other.file))
                    self._cards[key] = replace(marked, words=words_of(other.file, other.details, other.civitai, marked.said))
        return self.get(card.file.kind, card.file.filename)

    def set_preview(self, kind: Kind, filename: str, png: bytes) -> Card:
        """Makes the PNG a file's preview picture. UnknownName; CannotSave; InTheWay; InvalidParams for an embedding that is a picture
        itself, and for a checkpoint that comes with Darkroom.
        """
        card = self.get(kind, filename)
        if card.file.path.suffix.lower() == ".png":
            raise InvalidParams(f"{filename} is a picture itself, which is its preview.")
        if card.file.comes_along:
            raise InvalidParams(f"{filename} comes with Darkroom, whose own folder is left as it is: it gets no other preview.")
        write_beside(path_beside(card.file, PREVIEWS[0]), png)
        with self._lock:
            self._seen = None
        return self.get(kind, filename)

    def used(self, names: Iterable[tuple[Kind, str]], prompts: str = "") -> None:
        """Notes that a job uses these files now, by kind and any name of theirs, and the embeddings that its prompts name.

        Costs next to nothing: files are looked up and written down a little later.
        """
        now = time.time()
        with self._lock:
            self._used.update(dict.fromkeys(names, now))
            if prompts:
                self._prompts[prompts.casefold()] = now
        self._wake.set()

    def note_uses(self) -> None:
        """Writes down what was used."""
        with self._changing, self._lock:
            self._look()
            uses = used_cards(self._cards.values(), self._used, self._prompts)
            self._used, self._prompts = {}, {}
            if uses:
                self.marks.set([(card.file, replace(card.mark, last_used=when)) for card, when in uses])
                self._catalog.want_hashes([card.file.path for card, _ in uses])
                for card, when in uses:
                    self._cards[card.file.kind, card.file.filename] = replace(card, mark=replace(card.mark, last_used=when))

    def _write_notes(self, card: Card, noted: Mapping[str, Any]) -> None:
        if card.file.comes_along:
            return
        try:
            write_notes(path_beside(card.file, NOTES), noted)
        except CannotSave:
            if any(getattr(card.notes, name) not in (None, value) for name, value in noted.items()):
                raise
            log.warning("the notes of %s are kept in the data folder alone: its own folder takes no file", card.file.filename)

    # ------------------------------------------------------------ inside

    def _look(self) -> None:
        """Makes the cards anew where the catalogue or a mark has changed; lock held."""
        files = self._catalog.everything()
        seen = (self._catalog.revision, self._catalog.hashed)
        if seen == self._seen:
            return
        self._catalog.want_hashes(self.marks.follow(files))
        folders, kept = Folders(), self._kept()
        cards: dict[tuple[Kind, str], Card] = {}
        self._unread = []
        for file in sorted(files, key=lambda file: natural_key(file.name)):
            beside = folders.beside(file)
            stamp, known = kept.get(str(file.path), ("", None))
            current = stamp == _stamp(file, beside, self._version)
            if not current:
                self._unread.append((file, beside))
            # Of two files of one kind and name, in two folders of that kind, names mean the first.
            cards.setdefault((file.kind, file.filename), self._card(file, beside, known, read=current))
        self._cards, self._seen = cards, seen
        if self._unread:
            self._wake.set()

    def _take(self, files: Sequence[tuple[ModelFile, Beside]]) -> None:
        """Reads these files and keeps what they tell."""
        found = {str(file.path): (_stamp(file, beside, self._version), _read(file)) for file, beside in files}
        told = {path: (stamp, _KNOWN.dump_json(known).decode(errors="replace")) for path, (stamp, known) in found.items()}
        self._catalog.cache.keep_details(told)
        with self._lock:
            self._kept().update(found)
            self._unread = [each for each in self._unread if str(each[0].path) not in found]
            for file, beside in files:
                there = self._cards.get((file.kind, file.filename))
                if there is not None and (there.file.path, there.file.mtime_ns) == (file.path, file.mtime_ns):
                    self._cards[file.kind, file.filename] = self._card(there.file, beside, found[str(file.path)][1], read=True)

    def _card(self, file: ModelFile, beside: Beside, known: Known | None, *, read: bool) -> Card:
        known, mark = known or _NOTHING, self.marks.of(file)
        return Card(
            file=file,
            details=known.details,
            notes=known.notes,
            civitai=known.civitai,
            remarks=known.remarks,
            preview=beside.preview,
            preview_stamp=beside.preview_stamp,
            read=read,
            mark=mark,
            words=words_of(file, known.details, known.civitai, known.notes.or_else(mark.notes)),
        )

    def _kept(self) -> dict[str, tuple[str, Known]]:
        if self._known is None:
            self._known = {}
            for path, (stamp, told) in self._catalog.cache.details().items():
                try:
                    self._known[path] = (stamp, _KNOWN.validate_json(told))
                except ValidationError:
                    log.debug("what is known of %s is of another form", path)
        return self._known

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.read()
                if self._used or self._prompts:
                    self._stopping.wait(_TOGETHER_S)
                    self.note_uses()
                self._tell()
            except Exception:  # whatever one file did, the next ones are read
                log.exception("the model files could not be read")
            self._wake.wait()

    def _tell_now_and_then(self) -> None:
        """While thousands of files are read, one piece of news a second is enough."""
        if time.monotonic() - self._told_at > _NEWS_S:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        with self._lock:
            self._look()
            news = {"files": len(self._cards), "unread": len(self._unread)}
        for watcher in self._news:
            watcher(news)


def _stamp(file: ModelFile, beside: Beside, version: str) -> str:
    return f"{file.size_bytes}:{file.mtime_ns}:{beside.stamp}:{file.problem or ''}:{version}"


def _read(file: ModelFile) -> Known:
    """The file's header and the notes beside it."""
    remarks: list[str] = []
    notes, civitai = NO_NOTES, NOTHING_TOLD
    for ending in (NOTES, CIVITAI):
        path = path_beside(file, ending)
        if path.is_file():
            try:
                if ending == NOTES:
                    notes = read_notes(path)
                else:
                    civitai = read_civitai(path)
            except BadNotes as error:
                remarks.append(str(error))
    return Known(details=read_details(file), notes=notes, civitai=civitai, remarks=tuple(remarks))
