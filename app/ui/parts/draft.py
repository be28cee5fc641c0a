"""What the fields held when a browser left the page: kept there, given back at the next load."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_args

from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, Mode, make_params
from app.ui.parts.scripts import is_script_name

MAX_DRAFT_CHARS = 1_000_000
NO_FIELDS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Draft:
    """A draft as far as the schema accepts it."""

    fields: Mapping[Mode, Mapping[str, object]] = field(default_factory=lambda: dict.fromkeys(get_args(Mode), NO_FIELDS))
    checkpoint: str = ""
    clip_skip: int | None = None
    overrides: Mapping[Mode, tuple[str, ...]] = field(default_factory=lambda: dict.fromkeys(get_args(Mode), ()))
    scripts: Mapping[Mode, Mapping[str, object]] = field(default_factory=lambda: dict.fromkeys(get_args(Mode), NO_FIELDS))
    """The Script dropdown and its controls, as ScriptControls calls them; who owns the controls checks what they hold."""


def read_draft(text: str) -> Draft:
    """The draft in a browser's JSON; whatever is not valid in it is left out, since an older page may have written it."""
    try:
        told = json.loads(text) if text and len(text) <= MAX_DRAFT_CHARS else {}
    except (ValueError, RecursionError):
        told = {}
    if not isinstance(told, dict):
        told = {}
    fields: dict[Mode, Mapping[str, object]] = {mode: _accepted(told.get(mode)) for mode in get_args(Mode)}
    shared = _accepted(told.get("shared"))
    clip_skip = shared.get("clip_skip")
    overrides: dict[Mode, tuple[str, ...]] = {mode: _texts(told.get(mode)) for mode in get_args(Mode)}
    scripts: dict[Mode, Mapping[str, object]] = {mode: _of_scripts(told.get(mode)) for mode in get_args(Mode)}
    return Draft(fields, str(shared.get("checkpoint", "")), clip_skip if isinstance(clip_skip, int) else None, overrides, scripts)


def _accepted(told: object) -> dict[str, object]:
    if not isinstance(told, dict):
        return {}
    accepted: dict[str, object] = {}
    for name, value in told.items():
        if name not in GenerationParams.model_fields or value is None:
            continue
        try:
            accepted[name] = getattr(make_params(**{name: value}), name)
        except InvalidParams:
            continue
    return accepted


def _of_scripts(told: object) -> dict[str, object]:
    return {name: value for name, value in told.items() if is_script_name(name)} if isinstance(told, dict) else {}


def _texts(told: object) -> tuple[str, ...]:
    kept = told.get("overrides") if isinstance(told, dict) else None
    return tuple(str(text) for text in kept) if isinstance(kept, list) else ()
