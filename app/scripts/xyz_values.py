"""The values of an axis of the X/Y/Z plot, as people write them: lists, ranges `1-5 (+2)` and counts `1-10 [5]`."""

import csv
import re
from collections.abc import Sequence

import numpy as np

from app.schema.errors import InvalidParams

MAX_VALUES = 1000
_NUMBER = r"[+-]?\s*\d+(?:\.\d*)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*-\s*({_NUMBER})(?:\s*\(\s*([+-]\s*\d+(?:\.\d*)?)\s*\))?\s*")
_COUNT = re.compile(rf"\s*({_NUMBER})\s*-\s*({_NUMBER})\s*\[\s*(\d+)\s*\]\s*")


def split_values(text: str) -> list[str]:
    """The parts between commas, blanks around them cut off; quotes hold a part with a comma together."""
    try:
        rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
    except csv.Error as error:
        raise InvalidParams(f"The values {text[:60]!r} cannot be split at their commas: {error}.") from error
    return [part.strip() for row in rows for part in row if part.strip()]


def whole_numbers(axis: str, parts: Sequence[str]) -> list[int]:
    """The numbers that the parts stand for; InvalidParams with a sentence."""
    found: list[int] = []
    for part in parts:
        if match := _COUNT.fullmatch(part):
            start, end, count = _plain(match[1]), _plain(match[2]), int(match[3])
            found += [int(value) for value in np.linspace(start, end, _checked(axis, count))]
        elif match := _RANGE.fullmatch(part):
            first, last = _integer(axis, match[1]), _integer(axis, match[2])
            step = _integer(axis, match[3]) if match[3] else (1 if first <= last else -1)
            if step == 0:
                raise _wrong(axis, part, "a step that is not 0")
            steps = range(first, last + (1 if step > 0 else -1), step)
            _checked(axis, len(steps))
            found += steps
        else:
            found.append(_integer(axis, part))
    _checked(axis, len(found))
    return found


def numbers(axis: str, parts: Sequence[str]) -> list[float]:
    """The same with fractions."""
    found: list[float] = []
    for part in parts:
        if match := _COUNT.fullmatch(part):
            found += np.linspace(_plain(match[1]), _plain(match[2]), _checked(axis, int(match[3]))).tolist()
        elif match := _RANGE.fullmatch(part):
            start, end = _plain(match[1]), _plain(match[2])
            step = _plain(match[3]) if match[3] else (1.0 if start <= end else -1.0)
            if step == 0:
                raise _wrong(axis, part, "a step that is not 0")
            _checked(axis, int(max(0.0, min((end - start) / step, 1e9))) + 1)
            found += np.arange(start, end + step, step).tolist()
        else:
            found.append(_float(axis, part))
    _checked(axis, len(found))
    return found


def _checked(axis: str, count: int) -> int:
    if count > MAX_VALUES:
        raise InvalidParams(f"The axis {axis} has {count} values; the limit is {MAX_VALUES}.")
    return count


def _plain(text: str) -> float:
    return float(re.sub(r"\s", "", text))


def _integer(axis: str, text: str) -> int:
    try:
        return int(re.sub(r"\s", "", text))
    except ValueError as error:
        raise _wrong(axis, text, "a whole number or a range like 1-5, 1-9 (+2) or 1-10 [4]") from error


def _float(axis: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise _wrong(axis, text, "a number or a range like 1-5, 1-2 (+0.5) or 0-1 [5]") from error
    if not abs(value) < 1e18:
        raise _wrong(axis, text, "a finite number")
    return value


def _wrong(axis: str, text: str, wanted: str) -> InvalidParams:
    return InvalidParams(f"A value of the axis {axis} should be {wanted} (given: {text[:60]!r}).")
