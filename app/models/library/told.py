"""The notes beside model files: A1111's `NAME.json`, which is read and written, and Civitai Helper's `NAME.civitai.info`, which is read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from html import unescape
from pathlib import Path
from typing import Any

from app.models.library.beside import write_beside
from app.models.library.details import MOST_NAME_CHARS, MOST_WORD_CHARS, split_words
from app.schema.errors import DarkroomError, InvalidParams
from app.schema.json_values import check_json
from app.schema.regular_files import open_regular

MAX_NOTES_BYTES = 8 * 2**20
"""What Civitai says of a version with hundreds of pictures has about a megabyte."""
MOST_NOTE_CHARS = 100_000
MOST_TEXTS = 1000
MOST_WEIGHT = 100.0
CIVITAI_SITE = "https://civitai.com"
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<(?:br|/p|/li|/h\d|/div)\b[^<>]*>", re.IGNORECASE)


class BadNotes(DarkroomError):
    """A file of notes beside a model that cannot be read as such."""

    code = "bad_notes"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What a person says of a model, as A1111's page edits it; None: nothing is said."""

    description: str | None = None
    notes: str | None = None
    sd_version: str | None = None
    """A1111's: `SD1`, `SD2`, `SDXL`, `Unknown`."""
    activation_text: str | None = None
    """What a press on the card puts into the prompt beside the tag."""
    negative_text: str | None = None
    preferred_weight: float | None = None

    def or_else(self, other: "Notes") -> "Notes":
        """These, completed by other notes."""
        if other is NO_NOTES:
            return self
        own = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        return replace(other, **own)


NO_NOTES = Notes()
_KEYS: Mapping[str, str] = {field.name: field.name.replace("_", " ") for field in fields(Notes)}
"""Our names to the file's."""


@dataclass(frozen=True, kw_only=True)
class Civitai:
    """What Civitai says of a file's version, as Civitai Helper keeps it."""

    model_name: str = ""
    version_name: str = ""
    base_model: str = ""
    trained_words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    """Its text, without the page's marks."""
    model_id: int | None = None
    version_id: int | None = None
    sha256: tuple[str, ...] = ()
    """Of the version's files."""

    @property
    def page(self) -> str | None:
        """Address of the version's page."""
        if self.model_id is None:
            return None
        return f"{CIVITAI_SITE}/models/{self.model_id}" + (f"?modelVersionId={self.version_id}" if self.version_id is not None else "")


NOTHING_TOLD = Civitai()


def read_notes(path: Path) -> Notes:
    """A1111's notes; BadNotes with one sentence where the file holds something else. Values that make no sense are passed over."""
    return _notes(_table(path))


def read_civitai(path: Path) -> Civitai:
    """What Civitai said; BadNotes with one sentence where the file holds something else."""
    told = _table(path)
    model = told.get("model")
    model = model if isinstance(model, dict) else {}
    words = [word for entry in _texts(told.get("trainedWords")) for word in split_words(entry)]
    files = told.get("files")
    listed = [file.get("hashes") for file in (files if isinstance(files, list) else ()) if isinstance(file, dict)]
    hashes = [each for each in listed if isinstance(each, dict)]
    return Civitai(
        model_name=_text(model.get("name"))[:MOST_NAME_CHARS],
        version_name=_text(told.get("name"))[:MOST_NAME_CHARS],
        base_model=_text(told.get("baseModel"))[:MOST_NAME_CHARS],
        trained_words=tuple(dict.fromkeys(words)),
        tags=tuple(_texts(model.get("tags"))),
        description=_plain(_text(told.get("description")) or _text(model.get("description"))),
        model_id=_number(told.get("modelId")),
        version_id=_number(told.get("id")),
        sha256=tuple(dict.fromkeys(value.lower() for each in hashes if isinstance(value := each.get("SHA256"), str))),
    )


def write_notes(path: Path, change: Mapping[str, str | float | None]) -> None:
    """Writes some of `Notes`' fields into A1111's file and keeps all else in it; None and empty texts clear.

    A reader sees the old file or the new one. BadNotes where what is there cannot be read (it is left as it is), CannotSave
    where the folder takes no file.
    """
    told = _table(path) if path.exists() else {}
    for name, value in change.items():
        if value is not None:
            told[_KEYS[name]] = value
        elif _KEYS[name] in told:
            told[_KEYS[name]] = 0 if name == "preferred_weight" else ""  # what A1111 writes where nothing is said
    write_beside(path, json.dumps(told, indent=4, ensure_ascii=False).encode())


def _notes(told: Mapping[str, Any]) -> Notes:
    weight = told.get(_KEYS["preferred_weight"])
    weight = float(weight) if isinstance(weight, int | float) and not isinstance(weight, bool) and abs(weight) <= MOST_WEIGHT else None
    texts = {name: value[:MOST_NOTE_CHARS] or None for name, key in _KEYS.items() if isinstance(value := told.get(key), str)}
    texts.pop("preferred_weight", None)
    return Notes(**texts, preferred_weight=weight or None)  # A1111 writes 0 for no preference


def _table(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            data = file.read(MAX_NOTES_BYTES + 1)
    except OSError as error:
        raise BadNotes(f"{path.name} beside the model cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_NOTES_BYTES:
        raise BadNotes(f"{path.name} beside the model is not read: it has over {MAX_NOTES_BYTES // 2**20} MB.")
    try:
        told = json.loads(data.decode("utf-8-sig"))
        check_json(told)
    except (ValueError, RecursionError, InvalidParams) as error:
        raise BadNotes(f"{path.name} beside the model is no JSON that can be read, and is not used.") from error
    if not isinstance(told, dict):
        raise BadNotes(f"{path.name} beside the model is not used: it holds no JSON object.")
    return told


def _text(value: object) -> str:
    return value[:MOST_NOTE_CHARS] if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [entry[:MOST_WORD_CHARS] for entry in value[:MOST_TEXTS] if isinstance(entry, str)] if isinstance(value, list) else []


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**53 else None


def _plain(html: str) -> str:
    """The text of a piece of a page."""
    return unescape(_TAG.sub("", _BREAK.sub("\n", html))).strip()
