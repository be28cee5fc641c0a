"""How the page's events are made: none goes through Gradio's queue, none is part of a public API of Gradio's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

QUIET: Mapping[str, Any] = MappingProxyType({"queue": False, "show_progress": "hidden", "api_visibility": "private"})
"""One short request, or none at all where our scripts give the answer."""

RAW: Mapping[str, Any] = MappingProxyType({**QUIET, "preprocess": False})
"""The same, with the browser's values as they are: the schema alone says what is allowed."""

_WHEN_THERE = "while (!window.darkroom) await new Promise((go) => setTimeout(go, 25));"


def script(expression: str) -> str:
    """JavaScript of an event: an expression over `values`, the inputs, and `darkroom`, our scripts, which may come later than Gradio."""
    return f"async (...values) => {{ {_WHEN_THERE} const darkroom = window.darkroom; return {expression}; }}"
