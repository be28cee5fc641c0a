"""AND: several prompts for one picture, each with its weight."""

import re
from typing import Final

_AND: Final = re.compile(r"\bAND\b")
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)")


def _weighted(text: str) -> tuple[str, float]:
    """The text before a final `:number` and that number; the whole text and 1 where there is none."""
    text = text.rstrip()
    before, colon, number = text.rpartition(":")
    if colon and _NUMBER.fullmatch(number):
        return before.rstrip(), float(number)
    return text, 1.0


def split_and(prompt: str) -> list[tuple[str, float]]:
    """The texts between the word AND with their weights, at least one; brackets do not protect the word.

    For prompts only: in a negative prompt AND is a word like any other.
    """
    return [_weighted(part) for part in _AND.split(prompt)]
