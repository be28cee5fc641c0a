"""What the PNG Info tab tells of a picture: text, settings beside what will be used, files, how near it can be made again."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs.remote import Fetch
from app.metadata import PictureRecord, Restored, params_from_infotext, read_picture, read_text
from app.metadata.containers import reader_of
from app.models.catalog import Catalog
from app.schema.errors import BadPicture, DarkroomError, NotSupported
from app.schema.params import GenerationParams, view_of
from app.schema.settings import ServerSettings
from app.scripts import Script, ToldScript, told_script
from app.ui.parts.fields import title_of
from app.ui.parts.resources import Resource, resources_of
from app.ui.parts.verdict import verdict_of

HIDDEN = frozenset(("mode", "checkpoint", "init_images", "mask", "latent_mask"))
SIZES_OF_HIRES = ("hr_resize_x", "hr_resize_y")
_TEXTS = (".txt", ".json")


def picture_info(asked: dict[str, Any], catalog: Catalog, settings: ServerSettings, scripts: Sequence[Script] = ()) -> dict[str, Any]:
    """From a file in base64 (`data`, `name`) or an address (`url`); `error` holds a sentence for what is no picture.

    `scripts` are those that the tabs can choose.
    """
    try:
        url = str(asked.get("url") or "")
        data = fetched(url, settings) if url else _decoded(str(asked.get("data") or ""))
        record = _record(data, str(asked.get("name") or ""))
    except DarkroomError as error:
        return {"error": str(error)}
    told = told_of(record, catalog, scripts)
    return told | ({"data": _encoded(data)} if url else {})


def told_of(record: PictureRecord, catalog: Catalog, scripts: Sequence[Script] = ()) -> dict[str, Any]:
    """What the page shows of a record."""
    told: dict[str, Any] = {
        "infotext": record.infotext,
        "usable": record.usable,
        "raw": record.recipe.raw if record.recipe and record.recipe.raw != record.infotext else "",
        "chunk": record.items.get("darkroom", ""),
        "dialect": record.recipe.dialect if record.recipe else "",
        "format": record.format if record.width else "Text",
        "width": record.width,
        "height": record.height,
        "warnings": list(record.recipe.warnings) if record.recipe else [],
        "settings": [],
        "resources": [],
    }
    if not record.infotext:
        return told
    restored = params_from_infotext(record.usable)
    said = params_from_infotext(record.infotext).values if record.usable != record.infotext else restored.values
    resources = resources_of(restored, catalog)
    script = told_script(restored.extras, scripts, "txt2img")
    verdict = verdict_of(record, restored, resources, script)
    return told | {
        "settings": [row for row in _rows(restored, said, resources, script) if row["told"] != ""],
        "resources": [_as_json(resource) for resource in resources],
        "verdict": {"level": verdict.level, "reasons": list(verdict.reasons)},
        "whole": "steps" in restored.values,
    }


def fetched(url: str, settings: ServerSettings) -> bytes:
    """The file at an address; NotSupported where the owner has not allowed addresses."""
    if not settings.fetches_urls:
        raise NotSupported("This server does not fetch pictures from addresses; its owner can allow it with --fetch-urls on.")
    return Fetch().picture(url)


def _record(data: bytes, name: str) -> PictureRecord:
    """The record of a picture, or of a text file that stood beside one."""
    if data and reader_of(data) is None and name.casefold().endswith(_TEXTS):
        try:
            return read_text(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise BadPicture(f"{name[:100]} is no text in UTF-8.") from error
    return read_picture(data, name=name)


def _rows(restored: Restored, said: Mapping[str, object], resources: list[Resource], script: ToldScript | None) -> list[dict[str, str]]:
    """One row a setting: its name, what the picture says, what will be used, and whether it can be left out."""
    shown = {name: value for name, value in restored.values.items() if name not in HIDDEN and not _is_silent(name, value)}
    rows = [_row(title_of(name), said.get(name, value), value, name) for name, value in shown.items()]
    model = next((one for one in resources if one.kind == "Checkpoint"), None)
    if model is not None:
        named = " ".join(part for part in (restored.model_name, f"[{restored.model_hash}]" if restored.model_hash else "") if part)
        rows.append(_row("Model", named, model.found or "the one that is chosen", "checkpoint" if model.found else ""))
    files = {"VAE", "Hires upscaler", "Refiner", "Hires checkpoint"}
    taken = script.labels if script else frozenset[str]()
    used = {label: "see below" if label in files else value if label in taken else "not used" for label, value in restored.extras.items()}
    rows += [_row(label, value, used[label], "") for label, value in restored.extras.items()]
    return [*rows, *([_row("Version", restored.version, "not used", "")] if restored.version else [])]


def _row(label: str, told: object, used: object, field: str) -> dict[str, str]:
    return {"label": label, "told": str(told), "used": str(used), "field": field}


def _is_silent(name: str, value: object) -> bool:
    """Whether a rare setting only says that it is as usual: an infotext says so by leaving it out, and a reader adds a size of 0."""
    return (view_of(name).section is None or name in SIZES_OF_HIRES) and value == GenerationParams.model_fields[name].default


def _as_json(resource: Resource) -> dict[str, Any]:
    links = list(resource.links) if resource.state in ("missing", "other file") else []
    shown = {name: getattr(resource, name) for name in ("kind", "name", "hash", "state", "found")}
    return {**shown, "links": links}


def _decoded(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPicture("The file arrived damaged; drop it again.") from error


def _encoded(data: bytes) -> str:
    return b64encode(data).decode("ascii")
