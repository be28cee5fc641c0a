"""Emphasis: `(a)`, `(a:1.3)`, `[a]`, escapes and BREAK, read into pieces of text with a weight each."""

import re
from typing import Final

BREAK: Final = ("BREAK", -1.0)
"""The piece that stands for a break between chunks."""

_ROUND: Final = 1.1
_SQUARE: Final = 1 / 1.1
_MAX_DEPTH: Final = 64
"""Brackets within this many others no longer weigh (1.1^64 is 446 already, far outside what a picture survives).
The limit keeps the time linear: a closing bracket multiplies every piece within it."""

_END: Final = r":\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
"""The end of `(text:1.3)`."""

_TOKEN: Final = re.compile(
    rf"""
      \\[()\[\]\\]  # an escaped bracket or backslash
    | \\            # any other backslash vanishes
    | [(\[)\]]
    | {_END}
    | (?:[^\\()\[\]:]+|(?!{_END.replace("?P<weight>", "?:")}):)+  # words, with colons that end nothing
    """,
    re.VERBOSE,
)
_BREAK_WORD: Final = re.compile(r"\bBREAK\b")


class _Pieces:
    """Texts and their weights while brackets open and close around them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.weights: list[float] = []
        self.open: dict[str, list[int | None]] = {"(": [], "[": []}

    def add(self, text: str, weight: float = 1.0) -> None:
        """Puts a piece at the end."""
        self.texts.append(text)
        self.weights.append(weight)

    def add_words(self, text: str) -> None:
        """Puts plain text at the end, split at each BREAK that is a word of its own."""
        parts = _BREAK_WORD.split(text)
        last = len(parts) - 1
        for index, part in enumerate(parts):
            if index > 0:
                self.add(*BREAK)
                part = part.lstrip()
            self.add(part.rstrip() if index < last else part)

    def open_bracket(self, bracket: str) -> None:
        """Remembers where a bracket opened; None where it is too deep to weigh."""
        deep = len(self.open["("]) + len(self.open["["]) >= _MAX_DEPTH
        self.open[bracket].append(None if deep else len(self.texts))

    def close_bracket(self, bracket: str, weight: float) -> None:
        """Multiplies everything since the bracket's opening; round and square ones may cross each other."""
        start = self.open[bracket].pop()
        if start is not None:
            self.weights[start:] = [each * weight for each in self.weights[start:]]

    def merged(self) -> list[tuple[str, float]]:
        """All pieces, neighbours of equal weight as one; never empty."""
        runs: list[tuple[list[str], float]] = []
        for text, weight in zip(self.texts, self.weights, strict=True):
            if runs and runs[-1][1] == weight:
                runs[-1][0].append(text)
            else:
                runs.append(([text], weight))
        return [("".join(texts), weight) for texts, weight in runs] or [("", 1.0)]


def parse_attention(text: str) -> list[tuple[str, float]]:
    """Pieces of text with their weights, `BREAK` between chunks; what is not syntax is text, and nothing is an error.

    A bracket that never closes counts as closed at the end; one that closes nothing is text; so is a number that is none.
    """
    pieces = _Pieces()
    for match in _TOKEN.finditer(text):
        token, weight = match.group(), match["weight"]
        if token in ("(", "["):
            pieces.open_bracket(token)
        elif weight is not None and pieces.open["("]:
            pieces.close_bracket("(", float(weight))
        elif token == ")" and pieces.open["("]:
            pieces.close_bracket("(", _ROUND)
        elif token == "]" and pieces.open["["]:
            pieces.close_bracket("[", _SQUARE)
        elif token.startswith("\\"):
            pieces.add(token[1:])
        else:
            pieces.add_words(token)
    for bracket, weight_of in (("(", _ROUND), ("[", _SQUARE)):
        while pieces.open[bracket]:
            pieces.close_bracket(bracket, weight_of)
    return pieces.merged()
