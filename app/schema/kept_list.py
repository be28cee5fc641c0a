"""A list of records that outlives the server: a JSON file, written whole at every change by the one process that holds it."""

import json
import logging
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.schema.disk import claim

log = logging.getLogger(__name__)

T = TypeVar("T")


class KeptList(Generic[T]):
    """Of dataclasses of one kind. While another process holds the file it is neither read nor written: what is listed lives in memory."""

    def __init__(self, path: Path, kind: type[T], what: str) -> None:
        """`what` the records are, in the plural, for messages."""
        self._path, self._record, self._what = path, TypeAdapter(kind), what
        path.parent.mkdir(parents=True, exist_ok=True)
        self._claim = claim(path.with_name(f"{path.name}.lock"))
        if self._claim is None:
            log.warning("another server works on this data folder: its %s are its own, and this one's are forgotten when it ends", what)

    def close(self) -> None:
        """Lets another process have it. Nothing is written afterwards."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def write(self, records: Iterable[T]) -> None:
        """In place of what was there; a disk that does not take it is warned of."""
        if self._claim is None:
            return
        fresh = self._path.with_name(f".{self._path.name}.new")
        try:
            entries = [self._record.dump_python(record, mode="json") for record in records]
            fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:
            log.warning("the list of %s could not be saved: %s", self._what, error.strerror or error)

    def read(self) -> list[T]:
        """What is sound in the file; where not all of it is, a copy of the file is kept beside it."""
        if self._claim is None:
            return []
        try:
            entries = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("the list of %s could not be read: %s", self._what, error.strerror or error)
            return []
        except (ValueError, RecursionError):
            entries = None
        if not isinstance(entries, list):
            self._set_aside("is no list")
            return []
        records = [record for entry in entries if (record := self._sound(entry)) is not None]
        if len(records) < len(entries):
            self._set_aside(f"has {len(entries) - len(records)} damaged entries, which are left out")
        return records

    def _sound(self, entry: object) -> T | None:
        try:
            return self._record.validate_python(entry)
        except (ValidationError, RecursionError):
            return None

    def _set_aside(self, reason: str) -> None:
        path = self._path
        aside = next(other for n in count(1) if not (other := path.with_name(f"{path.stem}.damaged-{n}{path.suffix}")).exists())
        try:
            aside.write_bytes(path.read_bytes())
            log.warning("the list of %s (%s) %s; as it was it is now %s", self._what, path.name, reason, aside.name)
        except OSError as error:
            log.warning("the list of %s (%s) %s, and no copy of it could be kept: %s", self._what, path.name, reason, error.strerror)
