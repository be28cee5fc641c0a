"""Prompt editing: which text a prompt stands for at each step.

The grammar, in which a backslash makes the next character plain text:

    prompt    = { item | stray }
    stray     = "[" | "]" | "(" | ")" | ":" | "|"
    item      = text | group | switch | alternate
    group     = "(" seq [ ":" seq ] ")" | "[" seq "]"       stays as it is: emphasis is read later
    switch    = "[" [ seq ":" ] seq ":" number "]"           [from:to:when], [to:when], [from::when]
    alternate = "[" seq "|" seq { "|" seq } "]"              the next one at each step
    seq       = { item }

A bracket that holds anything stray is thus no syntax but text, as are the brackets around it; what is well formed inside or
after it still counts. Only the closing bracket tells what the opening one was, any number of characters later, and no prompt
is an error, while a generated LALR parser (lark) has one token of lookahead and stops at the first that does not fit. Hence
one pass by hand over the tokens with a stack: a token moves once for each construct it becomes a part of, so the time is
linear, and nesting needs no recursion.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import lcm
from typing import Final, TypeAlias

_TOKEN: Final = re.compile(r"(?:[^\\\[\]():|]+|\\.)+|[\\\[\]():|]", re.DOTALL)
_NUMBER: Final = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True)
class _Switch:
    """`[before:after:when]`: `before` up to and including step `last`."""

    before: "_Part"
    after: "_Part"
    last: int

    def at(self, step: int) -> "_Part":
        """What stands here at a step, counted from 1."""
        return self.before if step <= self.last else self.after


@dataclass(frozen=True, slots=True)
class _Alternate:
    """`[a|b|c]`: one choice after the other."""

    choices: "tuple[_Part, ...]"

    def at(self, step: int) -> "_Part":
        """What stands here at a step, counted from 1."""
        return self.choices[(step - 1) % len(self.choices)]


_Edit: TypeAlias = _Switch | _Alternate
_Part: TypeAlias = "str | tuple[str | _Edit, ...]"


@dataclass(frozen=True, slots=True)
class _Bracket:
    """An opening bracket that still waits for its end."""

    sign: str
    edges: list[int]
    """Where the bracket and its separators stand among the items."""
    separators: list[str]


def _part(items: "Sequence[str | _Edit]") -> _Part:
    """Plain text as one string (the usual case, and the fast one), else the items."""
    texts = [item for item in items if isinstance(item, str)]
    return "".join(texts) if len(texts) == len(items) else tuple(items)


class _Reader:
    """Reads a prompt into texts and edits; `last_step` says which step a switch's number means."""

    def __init__(self, last_step: Callable[[str], int]) -> None:
        self._last_step = last_step
        self._open: list[_Bracket] = []
        self.items: list[str | _Edit] = []
        self.edits: list[_Edit] = []

    def read(self, prompt: str) -> None:
        """Takes the prompt in; afterwards `items` says it from left to right, and `edits` lists every edit, inner ones too."""
        for token in _TOKEN.findall(prompt):
            if token in (")", "]"):
                self._close(token)
                continue
            if token in ("(", "["):
                self._open.append(_Bracket(token, [len(self.items)], []))
            elif token in (":", "|") and self._open:
                self._open[-1].edges.append(len(self.items))
                self._open[-1].separators.append(token)
            self.items.append(token)

    def _close(self, token: str) -> None:
        """Ends the innermost bracket; where that makes no sense, everything still open turns out to be plain text."""
        bracket = self._open.pop() if self._open else None
        if bracket is None or bracket.sign + token not in ("()", "[]"):
            self._open.clear()
            self.items.append(token)
            return
        separators = "".join(bracket.separators)
        edit = self._edit(bracket, separators) if token == "]" and separators else None
        if edit is not None:
            self.items[bracket.edges[0] :] = [edit]
            self.edits.append(edit)
            return
        if separators and (token, separators) != (")", ":"):
            self._open.clear()
        self.items.append(token)

    def _edit(self, bracket: _Bracket, separators: str) -> _Edit | None:
        """What stands from the square bracket to the end of `items`, if that is an edit."""
        if separators not in (":", "::") and separators.strip("|"):
            return None
        parts = [_part(self.items[left + 1 : right]) for left, right in pairwise([*bracket.edges, len(self.items)])]
        if separators.startswith("|"):
            return _Alternate(tuple(parts))
        *texts, when = parts
        number = _NUMBER.fullmatch(when) if isinstance(when, str) else None
        if number is None:
            return None
        before, after = ("", *texts)[-2:]
        return _Switch(before, after, self._last_step(number[1]))


@dataclass(frozen=True, slots=True)
class _Pass:
    """The sampling pass a schedule is for, and how its numbers are counted."""

    steps: int
    hires_steps: int | None
    old: bool

    @property
    def count(self) -> int:
        """The number of steps the schedule covers."""
        return self.steps if self.hires_steps is None or self.old else self.hires_steps

    def last_step(self, number: str) -> int:
        """The last step at which the text before a switch stands: 0 for never, at most `count`."""
        value, hires = float(number), self.hires_steps is not None
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in number:
            value = (value - 1.0 if hires else value) * self.count
        elif hires:
            value -= self.steps
        if not value < self.count:  # so that "not a number", which 1.0e999 times 0 steps is, ends here too
            return self.count
        return int(max(value, 0.0))


def _text_at(items: Sequence[str | _Edit], step: int) -> str:
    """What the items say at one step."""
    texts: list[str] = []
    waiting = list(reversed(items))
    while waiting:
        item = waiting.pop()
        part = item if isinstance(item, str) else item.at(step)
        if isinstance(part, str):
            texts.append(part)
        else:
            waiting.extend(reversed(part))
    return "".join(texts)


def prompt_schedule(prompt: str, steps: int, hires_steps: int | None = None, old: bool = False) -> list[tuple[int, str]]:
    """The texts of a prompt in order as (end, text); the last end is the pass's step count.

    A text holds for the denoiser calls whose number, counted from 0, is at most its end and above the end before: so
    `[a:b:1]` is `a` for two calls, as A1111's pictures show. Samplers with two calls a step take twice the `steps`.
    With `hires_steps` it is the schedule of the second pass, for which shares from 1.0 to 2.0 and steps beyond `steps` count.
    `old` counts as A1111 did before 1.6: both passes alike, and every number below 1 is a share.
    """
    sampling = _Pass(steps, hires_steps, old)
    reader = _Reader(sampling.last_step)
    reader.read(prompt)
    switches = sorted({edit.last for edit in reader.edits if isinstance(edit, _Switch) and edit.last > 0})
    lengths = {len(edit.choices) for edit in reader.edits if isinstance(edit, _Alternate)}
    ends = {sampling.count, *switches, *(range(1, sampling.count) if lengths else ())}
    period = lcm(*lengths)
    texts: dict[tuple[int, int], str] = {}
    """By how many switches are over and the place in the round of all alternations: what says the same is one string."""
    spans = []
    for end in sorted(ends):
        key = bisect_left(switches, end), (end - 1) % period
        if key not in texts:
            texts[key] = _text_at(reader.items, end)
        spans.append((end, texts[key]))
    return spans
