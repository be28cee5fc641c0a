"""Finds checkpoints by any of their names: title, file name, stem, hash."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.models.facts import ModelFile

_NOTHING = hashlib.sha256(b"").hexdigest()
"""What broken programs write as the hash of files they could not read."""
_HASH = re.compile(r"(?:[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{12}|[0-9a-f]{64})")
_TITLE = re.compile(r"(?P<name>.*?)\s*\[(?P<hash>[0-9a-fA-F]{8,64})\]")


class NameIndex:
    """An index of checkpoints as they are now; where several answer to a name, the first of them by `_rank` has it."""

    def __init__(self, files: Iterable[ModelFile], autov1: Mapping[Path, str | None]) -> None:
        self._files = sorted(files, key=_rank)
        self._autov1 = autov1
        self._names: dict[str, ModelFile] = {}
        for names in (_full_names, _short_names, _lower_names):
            for file in self._files:
                for name in names(file):
                    self._names.setdefault(name, file)

    def find(self, name: str) -> ModelFile | None:
        """The checkpoint called so. A title's hash beats its name (files are renamed), and a hash that nothing has is passed over."""
        wanted = name.strip()
        found = self._named(name) or self._named(wanted) or self.by_hash(wanted)  # a file's name may begin or end with a space
        if found is None and (title := _TITLE.fullmatch(wanted)):
            found = self.by_hash(title["hash"]) or self._named(title["name"])
        return found

    def by_hash(self, value: str) -> ModelFile | None:
        """The checkpoint with this hash; None if there is none, or if files that differ have it."""
        wanted = value.strip().lower()
        if not _HASH.fullmatch(wanted) or _NOTHING.startswith(wanted):
            return None
        by_start = [file for file in self._files if file.sha256 is not None and file.sha256.startswith(wanted)]
        if len(wanted) > 8:
            return _only(by_start)
        return _only([file for file in self._files if self._autov1.get(file.path) == wanted]) or _only(by_start)

    def _named(self, name: str) -> ModelFile | None:
        slashed = name.replace("\\", "/")
        return self._names.get(name) or self._names.get(slashed) or self._names.get(slashed.casefold())


def _rank(file: ModelFile) -> tuple[bool, bool, int]:
    """Usable files come first, then safetensors, then those nearest to the top folder."""
    return (file.problem is not None, file.path.suffix.lower() != ".safetensors", file.filename.count("/"))


def _full_names(file: ModelFile) -> tuple[str, ...]:
    return (file.title, file.filename, str(file.path))


def _short_names(file: ModelFile) -> tuple[str, ...]:
    return ("".join(file.filename.rpartition("/")[:2]) + file.name, file.path.name, file.name)


def _lower_names(file: ModelFile) -> tuple[str, ...]:
    return tuple(name.casefold() for name in (*_full_names(file), *_short_names(file)))


def _only(files: list[ModelFile]) -> ModelFile | None:
    """The first of files that are known to be the same; None if they may differ."""
    same = len(files) == 1 or (bool(files) and files[0].sha256 is not None and len({file.sha256 for file in files}) == 1)
    return files[0] if same else None
