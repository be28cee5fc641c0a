"""What a JSON value from outside may hold, so that whatever reads, stores or sends it back survives it."""

import math
from collections.abc import Iterator
from itertools import repeat

from app.schema.errors import InvalidParams

MAX_DEPTH = 100
"""Levels of lists and objects; nothing here needs ten, and Python's own recursion ends near a thousand."""


def check_json(value: object) -> None:
    """InvalidParams for half a character, a number that is not finite, or more than MAX_DEPTH levels, anywhere in a parsed JSON value.

    JSON can spell a lone surrogate ("\\ud800"), which can be neither saved nor sent back; Python's reader also takes NaN, Infinity and
    1e999, which are no JSON on the way out.
    """
    open_now: list[Iterator[tuple[str, object]]] = [iter((("the value", value),))]
    while open_now:
        if len(open_now) > MAX_DEPTH + 1:
            raise InvalidParams(f"The JSON is nested too deeply: at most {MAX_DEPTH} levels are read.")
        name, found = next(open_now[-1], (None, None))
        if name is None:
            open_now.pop()
        elif isinstance(found, str):
            _check_text(found)
        elif isinstance(found, float) and not math.isfinite(found):
            raise InvalidParams(f"{name[:100]}: input should be a finite number.")
        elif isinstance(found, dict):
            for key in found:
                _check_text(key)
            open_now.append(iter(found.items()))
        elif isinstance(found, list):
            open_now.append(zip(repeat(name), found))


def _check_text(text: str) -> None:
    if text.isascii():  # known without looking at the characters; pictures in base64 are long
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidParams("The request holds half a character (a lone surrogate such as \\ud800), which is no text.") from error
