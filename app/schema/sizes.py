"""Sizes of memory as people write them: `6G`, `512M`, `80%`, or a number of bytes."""

import re

SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*(%|[kKmMgGtT]([iI]?[bB])?|[bB])?\s*$"
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def bytes_of(text: str, whole: int) -> int:
    """The size in bytes; a percentage is of `whole`. ValueError for what is no size."""
    if not re.fullmatch(SIZE_PATTERN, text):
        raise ValueError(f"{text!r} is no size")
    number, unit = re.fullmatch(r"([\d.]+)\s*(.*)", text.strip()).groups()  # type: ignore[union-attr]  # it matched above
    if unit == "%":
        return int(whole * float(number) / 100)
    return int(float(number) * _UNITS[unit.lower().rstrip("ib")])
