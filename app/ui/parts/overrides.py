"""Settings of a picture that have no control on the page: they act on a tab's jobs only, as A1111's override settings do.

One override is a small JSON object of schema fields, which the dropdown holds as a text and shows by the infotext's label.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from app.jobs import OptionsView
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, make_params, view_of


def overridable() -> tuple[str, ...]:
    """Fields of the schema that pictures or options set and that no control shows."""
    shown = ("checkpoint", "clip_skip")
    views = {name: view_of(name) for name in GenerationParams.model_fields if name not in shown}
    return tuple(name for name, view in views.items() if name == "eta" or (view.section is None and (view.label or view.option)))


def overrides_for(values: Mapping[str, object], options: OptionsView) -> list[str]:
    """What must be overridden for a job to be as a picture says, where the owner's options say otherwise."""
    defaults = GenerationParams()
    usual = make_params(**options.apply_to({}))
    grouped: dict[str, dict[str, object]] = {}
    for name in overridable():
        label = view_of(name).label
        if label is None:
            continue  # no picture tells of it
        wanted = values.get(name, getattr(defaults, name))
        if wanted != getattr(usual, name):
            grouped.setdefault(label, {})[name] = wanted
    return [json.dumps(group) for group in grouped.values()]


def read_overrides(texts: object) -> dict[str, object]:
    """The fields that the dropdown's texts set; what is no override is left out, since texts come from a browser."""
    merged: dict[str, object] = {}
    for text in texts if isinstance(texts, list) else ():
        merged |= _fields_of(text)
    return merged


def overrides_update(texts: Iterable[object]) -> Any:
    """Shows these overrides, all chosen; none hides the dropdown."""
    choices = [(shown, str(text)) for text in texts if (shown := _shown(text))]
    return gr.update(choices=choices, value=[value for _, value in choices], visible=bool(choices))


def _fields_of(text: object) -> dict[str, object]:
    try:
        told = json.loads(str(text))
        if not isinstance(told, dict) or not told.keys() <= set(overridable()):
            return {}
        params = make_params(**told)
    except (ValueError, RecursionError, InvalidParams):
        return {}
    return {name: getattr(params, name) for name in told}


def _shown(text: object) -> str:
    fields = _fields_of(text)
    label = next((view_of(name).label or name for name in fields), "")
    return f"{label}: {'x'.join(str(value) for value in fields.values())}" if label else ""
