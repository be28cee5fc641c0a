"""The one way in for picture files: bytes or a path in, a record of its texts out."""

from dataclasses import replace
from pathlib import Path

from app.metadata.containers import reader_of
from app.metadata.containers.stealth import HiddenText, hidden_text
from app.metadata.dialects import read_recipe
from app.metadata.dialects.file_names import FileNames
from app.metadata.infotext import clean
from app.metadata.json_text import json_object
from app.metadata.record import Limits, PictureRecord, checked
from app.metadata.source import Data, FileData
from app.schema.errors import BadPicture


def read_picture(picture: bytes | Path, limits: Limits | None = None, *, name: str = "") -> PictureRecord:
    """What a picture says about itself; a picture without metadata is a record with an empty text.

    BadPicture, with one sentence, for what is no picture, is cut off, or is over the limits.
    """
    limits = limits or Limits()
    if isinstance(picture, bytes):
        return _read(picture, limits, name)
    try:
        with FileData(picture) as data:
            record = _read(data, limits, picture.name)
    except OSError as error:
        raise BadPicture(f"{picture.name} cannot be read: {error.strerror}.") from error
    if (record.recipe is None or record.recipe.dialect == FileNames.name) and (beside := _sidecar(picture, limits)):
        return read_text(beside, record)
    return record


def _read(data: Data, limits: Limits, name: str) -> PictureRecord:
    if not len(data):
        raise BadPicture("The file is empty.")
    if len(data) > limits.file_bytes:
        raise BadPicture(f"{name or 'The file'} is over the limit of {limits.file_bytes // 1024**2} MB.")
    reader = reader_of(data)
    if reader is None:
        raise BadPicture("This is no picture: it begins like none of PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF and PPM.")
    record = _with_recipe(replace(checked(reader(data, limits), limits), name=name))
    if record.recipe is None or record.recipe.dialect == FileNames.name:
        hidden = hidden_text(data, record, limits)
        if hidden is not None:
            return _from_hidden(record, hidden)
    return record


def read_text(text: str, record: PictureRecord | None = None) -> PictureRecord:
    """What a text says that stands beside a picture or was pasted: an infotext, a JSON object, a workflow; anything else is a prompt."""
    record = record or PictureRecord(format="PNG", width=0, height=0)
    return _with_recipe(replace(record, text=clean(text).strip(), source="text"))


def _with_recipe(record: PictureRecord) -> PictureRecord:
    recipe = read_recipe(record)
    if recipe is None:
        return record
    shown = recipe.infotext if recipe.shown is None else recipe.shown
    source = record.source if shown == record.text else recipe.dialect
    return replace(record, text=shown, source=source if shown else "", recipe=recipe)


def _from_hidden(record: PictureRecord, hidden: HiddenText) -> PictureRecord:
    """The record with what its pixels hold: NovelAI's texts by keyword as JSON, or an infotext."""
    texts = json_object(hidden.text)
    if texts is not None and "Comment" in texts:
        items = {name: value for name, value in texts.items() if isinstance(value, str)}
        return _with_recipe(replace(record, items={**record.items, **items}, source=hidden.place))
    return _with_recipe(replace(record, text=hidden.text, source=hidden.place, recipe=None))


def _sidecar(path: Path, limits: Limits) -> str:
    """The text beside a picture that says nothing itself; empty if there is none, or it is no text."""
    for beside in (path.with_suffix(".txt"), path.with_suffix(".json")):
        try:
            if beside != path and 0 < beside.stat().st_size <= limits.text_bytes:
                return beside.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
    return ""
