"""Turns pydantic 2's reports into the bodies that pydantic 1 and FastAPI 0.94 sent: what A1111's clients read."""

import json
from collections.abc import Mapping, Sequence

from fastapi.exceptions import RequestValidationError

MAX_ECHO_CHARS = 1000
"""How much of a broken body is sent back."""

_WORDS: dict[str, tuple[str, str]] = {
    "missing": ("value_error.missing", "field required"),
    "dict_type": ("type_error.dict", "value is not a valid dict"),
    "model_type": ("type_error.dict", "value is not a valid dict"),
    "model_attributes_type": ("type_error.dict", "value is not a valid dict"),
    "list_type": ("type_error.list", "value is not a valid list"),
    "string_type": ("type_error.str", "str type expected"),
    "int_type": ("type_error.integer", "value is not a valid integer"),
    "int_parsing": ("type_error.integer", "value is not a valid integer"),
    "float_type": ("type_error.float", "value is not a valid float"),
    "float_parsing": ("type_error.float", "value is not a valid float"),
    "bool_type": ("type_error.bool", "value could not be parsed to a boolean"),
    "bool_parsing": ("type_error.bool", "value could not be parsed to a boolean"),
}
_LIMITS: dict[str, tuple[str, str, str]] = {
    "greater_than": ("gt", "value_error.number.not_gt", "ensure this value is greater than {}"),
    "greater_than_equal": ("ge", "value_error.number.not_ge", "ensure this value is greater than or equal to {}"),
    "less_than": ("lt", "value_error.number.not_lt", "ensure this value is less than {}"),
    "less_than_equal": ("le", "value_error.number.not_le", "ensure this value is less than or equal to {}"),
}


def pydantic1_details(error: RequestValidationError) -> list[dict[str, object]]:
    """The `detail` list of a 422 answer, one entry a wrong field."""
    return [_entry(e, error.body) for e in error.errors()]


def _entry(found: Mapping[str, object], body: object) -> dict[str, object]:
    kind, ctx = str(found["type"]), found.get("ctx")
    where = found["loc"]
    entry: dict[str, object] = {"loc": list(where) if isinstance(where, Sequence) else [where]}
    if kind == "json_invalid":
        return _broken_json(entry, found, str(body))
    if kind in _LIMITS and isinstance(ctx, Mapping):
        key, name, words = _LIMITS[kind]
        limit = _whole(ctx[key])
        return entry | {"msg": words.format(limit), "type": name, "ctx": {"limit_value": limit}}
    if kind in _WORDS:
        name, message = _WORDS[kind]
        return entry | {"msg": message, "type": name}
    entry |= {"msg": found["msg"], "type": kind}
    if isinstance(ctx, Mapping) and kind.startswith("value_error."):
        entry["ctx"] = {key: value for key, value in ctx.items() if key != "words"}
    return entry


def _broken_json(entry: dict[str, object], found: Mapping[str, object], document: str) -> dict[str, object]:
    ctx, where = found.get("ctx"), found["loc"]
    reason = str(ctx["error"]) if isinstance(ctx, Mapping) else str(found["msg"])
    position = where[-1] if isinstance(where, Sequence) and where and isinstance(where[-1], int) else 0
    broken = json.JSONDecodeError(reason, document, position)
    doc = document[:MAX_ECHO_CHARS].encode(errors="replace").decode()  # bytes taken for UTF-16 leave halves of characters
    told = {"msg": broken.msg, "doc": doc, "pos": broken.pos, "lineno": broken.lineno, "colno": broken.colno}
    return entry | {"msg": str(broken), "type": "value_error.jsondecode", "ctx": told}


def _whole(limit: object) -> object:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit
