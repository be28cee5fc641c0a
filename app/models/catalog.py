"""The catalogue of model files: what lies in the model folders, found by every name that people and pictures use for it."""

import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from app.models.book import Book
from app.models.cache import FileFacts, ModelCache, recogniser_version
from app.models.diffusers_folder import state_of
from app.models.embedded import comes_along
from app.models.facts import ModelFile
from app.models.folders import KINDS, Kind, Root, roots
from app.models.hashes import Progress, autov1_of
from app.models.hashing import Hasher
from app.models.index import NameIndex
from app.models.reading import guarded, read_facts
from app.models.scan import FoundFile, scan, single, stamp_of
from app.schema.errors import BadModelFile, UnknownName
from app.schema.settings import ServerSettings

log = logging.getLogger(__name__)

_FACTS_AT_ONCE = 100
"""Facts of new files are kept in portions, so that a first look at thousands of files can be interrupted."""


NaturalKey = list[tuple[int, int, str]]


@dataclass(frozen=True)
class HashingProgress:
    """How far the hashing of all checkpoints is."""

    done_bytes: int
    total_bytes: int
    files_left: int
    current: str | None
    """File name of a checkpoint that is being read."""


class Catalog:
    """Model files of the folders that the settings name; may be used from many threads.

    What is listed is what the last `refresh` found (the first question makes one). Facts and hashes are kept in
    `cache/models.sqlite3` in the data folder.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._refreshing = threading.Lock()
        self._lock = threading.Lock()
        self._cache: ModelCache | None = None
        self._version = ""
        self._facts: dict[str, tuple[str, FileFacts]] = {}
        self._hashes: dict[str, tuple[str, str]] = {}
        self._files: dict[Path, ModelFile] = {}
        self._index: NameIndex | None = None
        self._listed = False
        self.revision = 0
        """Grows with each look through the folders."""
        self.hashed = 0
        """Grows with each file whose hash was found out."""
        self._wanted: set[Path] = set()
        self._watchers: list[Callable[[], None]] = []
        self._hasher = Hasher(self._hashed)
        self._aliases: tuple[int, dict[str, tuple[str, str]]] | None = None
        self.book = Book(self.of_kind, self._told_alias)
        """Finds LoRAs, embeddings, VAEs and hypernetworks by name."""

    # ------------------------------------------------------------ listing

    def refresh(self) -> None:
        """Looks through the folders again; reads headers of new and changed checkpoints only."""
        with self._refreshing:
            self._open_cache()
            found = self._found()
            self._read_new_facts([file for file in found if file.kind == "checkpoint"])
            with self._lock:
                files = [self._model_file(file) for file in found]
                self._files = {file.path: file for file in sorted(files, key=_natural_order)}
                self._index, self._listed = None, True
                self.revision += 1
        self._hasher.wake()
        self._tell()

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Calls it after each look through the folders and each hash that was found out, in the thread that did it."""
        self._watchers.append(watcher)

    @property
    def cache(self) -> ModelCache:
        """The cache of what was found out about files."""
        with self._refreshing:
            self._open_cache()
            assert self._cache is not None
            return self._cache

    def everything(self) -> list[ModelFile]:
        """Files of all kinds, sorted by name."""
        self._list_once()
        with self._lock:
            return list(self._files.values())

    def checkpoints(self) -> list[ModelFile]:
        """All checkpoints, those that cannot be loaded too, sorted by name."""
        return self.of_kind("checkpoint")

    def of_kind(self, kind: Kind) -> list[ModelFile]:
        """All files of a kind, sorted by name."""
        if kind not in KINDS:
            raise UnknownName("kind of model", kind, KINDS)
        self._list_once()
        with self._lock:
            return [file for file in self._files.values() if file.kind == kind]

    def find(self, name: str) -> ModelFile:
        """The checkpoint with this title, file name (with or without ending or folder) or hash; UnknownName if there is none."""
        file = self._names().find(name)
        if file is None:
            raise UnknownName("checkpoint", name, [file.name for file in self.checkpoints()])
        return file

    def by_hash(self, value: str) -> ModelFile | None:
        """The checkpoint with this hash of 8 (AutoV1, or a sha256's beginning), 10, 12 or 64 digits.

        None if there is none, if several differing files have it, or if it is the hash of nothing.
        """
        return self._names().by_hash(value)

    # ------------------------------------------------------------ hashing

    def hash(self, file: ModelFile, on_progress: Progress | None = None) -> str:
        """A file's sha256, computed at most once for each state of the file; `on_progress` gets the bytes done and in all.

        Raises BadModelFile if the file cannot be read or changes meanwhile.
        """
        self._list_once()
        try:
            state = state_of(file.path)
        except OSError as error:
            raise BadModelFile(f"{file.filename} cannot be read: {error.strerror or error}.") from error
        with self._lock:
            stamp, sha256 = self._hashes.get(str(file.path), ("", ""))
        if stamp == stamp_of(*state):
            return sha256
        return self._hasher.hash(file.path, on_progress)

    def start_background_hashing(self, on_progress: Callable[[HashingProgress], None] | None = None) -> None:
        """Hashes all checkpoints, now and after each refresh, in one thread that gives way to everything else.

        `on_progress` is called in that thread, after each few megabytes and when nothing is left to do.
        """
        self._hasher.start(self._without_hash, lambda: on_progress(self.hashing) if on_progress else None)

    def know_hash(self, file: ModelFile, sha256: str) -> None:
        """Takes the sha256 of a file, in the state in which it is listed, that somebody computed on the way to something else."""
        self._hashed(file.path, stamp_of(file.size_bytes, file.mtime_ns), sha256)

    def want_hashes(self, paths: Collection[Path]) -> None:
        """Has these files of other kinds hashed in the background, too."""
        with self._lock:
            self._wanted.update(paths)
        self._hasher.wake()

    def stop_background_hashing(self) -> None:
        """Stops it, within a file, and waits until it has ended."""
        self._hasher.stop()

    @property
    def hashing(self) -> HashingProgress:
        """How far the hashing of the checkpoints is; does not look at the folders."""
        partial = self._hasher.partial_bytes()
        with self._lock:
            checkpoints = [file for file in self._files.values() if file.kind == "checkpoint"]
        left = [file for file in checkpoints if file.sha256 is None]
        total_bytes = sum(file.size_bytes for file in checkpoints)
        open_bytes = sum(file.size_bytes - min(partial.get(file.path, 0), file.size_bytes) for file in left)
        current = next((file.filename for file in left if file.path in partial), None)
        return HashingProgress(total_bytes - open_bytes, total_bytes, len(left), current)

    def close(self) -> None:
        """Stops hashing and closes the cache."""
        self._hasher.stop()
        with self._refreshing:
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    # ------------------------------------------------------------ inside

    def _list_once(self) -> None:
        if not self._listed:
            self.refresh()

    def _told_alias(self, file: ModelFile) -> str | None:
        if self._aliases is None or self._aliases[0] != self.revision:
            self._aliases = self.revision, self.cache.aliases()
        stamp, alias = self._aliases[1].get(str(file.path), ("", ""))
        known = stamp.startswith(f"{stamp_of(file.size_bytes, file.mtime_ns)}:") and stamp.endswith(f":{self._version}")
        return alias if known else None

    def _names(self) -> NameIndex:
        self._list_once()
        with self._lock:
            if self._index is None:
                checkpoints = [file for file in self._files.values() if file.kind == "checkpoint"]
                autov1 = {file.path: self._facts[str(file.path)][1].autov1 for file in checkpoints if str(file.path) in self._facts}
                self._index = NameIndex(checkpoints, autov1)
            return self._index

    def _open_cache(self) -> None:
        if self._cache is None:
            self._cache = ModelCache(self.settings.data_dir / "cache" / "models.sqlite3")
            self._version = recogniser_version()
            facts, hashes = self._cache.facts(), self._cache.hashes()
            with self._lock:
                self._facts, self._hashes = {**facts, **self._facts}, {**hashes, **self._hashes}

    def _found(self) -> list[FoundFile]:
        """Each file once, although folders may lie in each other or be the same by another name."""
        found: dict[str, FoundFile] = {}
        for root in roots(self.settings):
            real = os.path.realpath(root.folder)
            for file in scan(root):
                found.setdefault(os.path.join(real, file.filename), file)  # noqa: PTH118  (thousands of files: Path is ten times slower)
        if (path := self.settings.ckpt) is not None and (file_alone := single(Root("checkpoint", path.parent), path)) is not None:
            found.setdefault(f"{os.path.realpath(path.parent)}{os.sep}{path.name}", file_alone)
        return list(found.values())

    def _read_new_facts(self, checkpoints: Iterable[FoundFile]) -> None:
        """Reads the headers of checkpoints whose facts are not known, or were found out in another state or by other code."""
        found: dict[str, tuple[str, FileFacts]] = {}
        for file in checkpoints:
            stamp = f"{file.stamp}:{_yaml_stamp(file.path)}:{self._version}"
            if self._facts.get(str(file.path), ("", None))[0] != stamp:
                found[str(file.path)] = (stamp, _read(file.path))
            if len(found) >= _FACTS_AT_ONCE:
                self._keep_facts(found)
                found = {}
        self._keep_facts(found)

    def _keep_facts(self, found: dict[str, tuple[str, FileFacts]]) -> None:
        if found and self._cache is not None:
            self._cache.keep_facts(found)
        with self._lock:
            self._facts.update(found)

    def _model_file(self, file: FoundFile) -> ModelFile:
        key = str(file.path)
        stamp, sha256 = self._hashes.get(key, ("", ""))
        known = self._facts[key][1] if file.kind == "checkpoint" else FileFacts(None, None, None)
        return ModelFile(
            kind=file.kind,
            path=file.path,
            name=file.name,
            filename=file.filename,
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            sha256=sha256 if stamp == file.stamp else None,
            facts=known.facts,
            problem=known.problem,
            comes_along=file.kind == "checkpoint" and comes_along(file.path, self.settings),
        )

    def _without_hash(self, failed: Collection[Path]) -> Path | None:
        self._list_once()
        with self._lock:
            unknown = (file for file in self._files.values() if file.sha256 is None)
            waiting = (file for file in unknown if file.kind == "checkpoint" or file.path in self._wanted)
            return next((file.path for file in waiting if file.path not in failed), None)

    def _hashed(self, path: Path, stamp: str, sha256: str) -> None:
        cache = self._cache
        if cache is not None:
            cache.keep_hash(str(path), stamp, sha256)
        with self._lock:
            self._hashes[str(path)] = (stamp, sha256)
            file = self._files.get(path)
            if file is not None and stamp_of(file.size_bytes, file.mtime_ns) == stamp:
                self._files[path] = replace(file, sha256=sha256)
                self._index = None
            self.hashed += 1
        self._tell()

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher()


def _read(path: Path) -> FileFacts:
    autov1 = None
    try:
        autov1 = guarded(autov1_of, path)
        return FileFacts(guarded(read_facts, path), None, autov1)
    except BadModelFile as error:
        return FileFacts(None, str(error), autov1)


def _yaml_stamp(path: Path) -> str:
    try:
        state = path.with_suffix(".yaml").stat()
    except OSError:
        return "-"
    return stamp_of(state.st_size, state.st_mtime_ns)


def _natural_order(file: ModelFile) -> tuple[NaturalKey, str]:
    name, ending = os.path.splitext(file.filename)  # noqa: PTH122  (thousands of files: Path is ten times slower)
    return natural_key(name), ending.casefold()


def natural_key(name: str) -> NaturalKey:
    """Sorts `model2` before `model10`, whatever the case."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name.casefold()) if part]
