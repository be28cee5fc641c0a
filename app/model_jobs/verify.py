"""A model file read whole and held against every hash that is said of it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from app.model_jobs.actions import Verify
from app.model_jobs.shelf import Shelf
from app.model_jobs.task import Done, Report, Task
from app.models import ModelFile
from app.models.header import Header
from app.models.library import hashes_of
from app.models.reading import guarded, read_header
from app.schema.errors import BadModelFile, InvalidParams

MAX_NOTE_BYTES = 8 * 2**20
_HEX = re.compile(r"[0-9a-f]{8,64}")
_CIVITAIS: Mapping[str, str] = MappingProxyType(
    {"SHA256": "sha256", "AutoV1": "autov1", "AutoV2": "autov2", "AutoV3": "autov3", "CRC32": "crc32", "BLAKE3": "blake3"}
)
"""Civitai's names of hashes to ours."""
_CASELESS: Mapping[str, str] = MappingProxyType({name.upper(): name for name in _CIVITAIS})


class WrongHash(BadModelFile):
    """A file that is not what is said of it."""

    code = "wrong_hash"


@dataclass(frozen=True)
class Said:
    """A hash that something states of a file."""

    by: str
    name: str
    value: str

    def agrees(self, found: dict[str, str]) -> bool:
        """Whether the file has it; either may be the beginning of the other."""
        return found[self.name].startswith(self.value) or self.value.startswith(found[self.name])


def verify(action: Verify, shelf: Shelf) -> Task:
    """Hashes, and a sentence on what agrees; WrongHash where something does not."""
    file = shelf.find(action.kind, action.filename)
    if file.path.is_dir():
        raise InvalidParams(f"{file.filename} is a folder of several files, of which nothing says a hash.")

    def run(report: Report) -> Done:
        header = guarded(read_header, file.path)
        found = _found(file.path, report)
        said = [one for one in said_of(file, header) if one.name in found]
        wrong = [one for one in said if not one.agrees(found)]
        if wrong:
            first = wrong[0]
            raise WrongHash(
                f"{file.filename} is not what {first.by} says: {first.name} is {found[first.name]} and not {first.value}. "
                "It was changed or damaged; download it again if you did not mean that."
            )
        return Done(summary=_summary(file, said, found), file=file.filename, facts=found)

    return Task(title=f"Verify {file.filename}", run=run)


def _found(path: Path, report: Report) -> dict[str, str]:
    """The file's hashes by their names at Civitai; BadModelFile if it cannot be read."""
    try:
        found = hashes_of(path, report)
    except OSError as error:
        raise BadModelFile(f"{path.name} cannot be read: {error.strerror or error}.") from error
    return {name: value for name, field in _CIVITAIS.items() if (value := getattr(found, field)) is not None}


def said_of(file: ModelFile, header: Header) -> Iterator[Said]:
    """What the header, the notes beside the file, and an earlier reading of it say; hashes that are none are passed over."""
    for key in ("sshs_model_hash", "modelspec.hash_sha256"):
        if value := _hash(header.metadata.get(key)):
            yield Said(f"its header ({key})", "AutoV3", value)  # the beginning of the tensors' sha256
    for entry in _civitais_files(file.path):
        for name, told in entry.items():
            known = _CASELESS.get(name.upper())
            if known and (value := _hash(told)):
                yield Said("Civitai's note beside it", known, value)
    if value := _hash(_read_json(file.path.with_suffix(".json")).get("sha256")):
        yield Said("the note beside it", "SHA256", value)
    if file.sha256 is not None and file.is_current():
        yield Said("an earlier reading of the same file", "SHA256", file.sha256)


def _civitais_files(path: Path) -> Iterator[dict[str, object]]:
    """Hashes of the file that `.civitai.info` lists under this name, or of its only one."""
    files = _read_json(path.with_suffix(".civitai.info")).get("files")
    entries = files if isinstance(files, list) else []
    listed = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("hashes"), dict)]
    named = [entry for entry in listed if entry.get("name") == path.name]
    yield from (entry["hashes"] for entry in (named or (listed if len(listed) == 1 else [])))


def _read_json(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > MAX_NOTE_BYTES:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _hash(value: object) -> str | None:
    text = value.lower().removeprefix("0x") if isinstance(value, str) else ""
    return text if _HEX.fullmatch(text) else None


def _summary(file: ModelFile, said: list[Said], found: dict[str, str]) -> str:
    if not said:
        return f"{file.filename} is whole; nothing says which hash it should have. Its sha256 is {found['SHA256']}."
    by = list(dict.fromkeys(one.by for one in said))
    return f"{file.filename} is what {' and '.join(by)} {'say' if len(by) > 1 else 'says'}. Its sha256 is {found['SHA256']}."
