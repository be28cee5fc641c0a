"""JSON as programs leave it in pictures: with NaN, with a NUL at its end, and not always what it says it is."""

import json
from typing import Any


def json_object(text: object) -> dict[str, Any] | None:
    """The JSON object in a text; None for anything else, for one that is nested deeper than any program's, and for broken ones."""
    if isinstance(text, dict):
        return text
    if not isinstance(text, str):
        return None
    text = text.strip("\x00\ufeff \t\r\n")
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text, parse_constant=lambda _: None, parse_int=_whole, strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _whole(digits: str) -> int | str:
    """Whole numbers; one with thousands of digits stays a text, because turning it would take for ever."""
    return int(digits) if len(digits) < 400 else digits


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: programs write null, texts and lists where others have objects."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
