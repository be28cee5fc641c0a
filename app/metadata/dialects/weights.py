"""Prompts in which NovelAI or InvokeAI weigh words, written as A1111 weighs them; what has no counterpart stays as it is."""

import re
from collections.abc import Callable

Weigh = Callable[[str], str]

_NOVELAI = re.compile(r"\\[(){}\[\]]|(-?(?:\d{1,4}(?:\.\d{0,6})?|\.\d{1,6}))?::|[{}\[\]()]|[^\\{}\[\]():\d.\-]+|.", re.DOTALL)
_NOVELAI_STEP = 1.05
_COMPEL = re.compile(
    r"\\.|(\))(\++|-+|\d{1,3}(?:\.\d{1,6})?)?|[(\[\]]|([^\s,()\[\]\\]{0,80}?\w)(\++|-+)(?=[\s,.)]|$)|[^\s,()\[\]\\]+|.", re.DOTALL
)
_COMPEL_FUNCTION = re.compile(r"\)\s*\.\s*(?:blend|swap|and)\s*\(|\"\s*\.\s*(?:swap|blend|and)\s*\(|\w\.swap\(")
_EMBEDDING = re.compile(r"<([^<>:]{1,100})>")
_MARKED = re.compile(r"[{}\[\]()]|::")
_MAX_DEPTH = 50


def novelai_weights(text: str) -> str:
    """`{x}` is 1.05 times, `[x]` a 1.05th, `1.3::x::` that many times; round brackets are plain there."""
    if not _MARKED.search(text):
        return text
    parts: list[tuple[str, float]] = []
    power, factor = 0, 1.0
    for piece in _NOVELAI.finditer(text):
        mark = piece[0]
        if mark.endswith("::"):
            factor = float(piece[1]) if piece[1] else 1.0
        elif mark in "{}[]":
            power += 1 if mark in "{]" else -1
        else:
            parts.append((f"\\{mark}" if mark in "()" else mark, factor * _NOVELAI_STEP**power))
    return "".join(_weighed(words, weight) for words, weight in _runs(parts))


def invokeai_weights(text: str) -> str:
    """`word++`, `word-`, `(some words)1.2`, `(some words)++`: each plus is 1.1 times, each minus 0.9 times. Blends and swaps stay."""
    if _COMPEL_FUNCTION.search(text):
        return text
    open_at: list[int] = []
    out: list[str] = []
    for piece in _COMPEL.finditer(_EMBEDDING.sub(r"\1", text)):
        if piece[0] == "(" and len(open_at) < _MAX_DEPTH:
            open_at.append(len(out))
            out.append("")
        elif piece[1] and open_at:
            start = open_at.pop()
            out[start:] = [_weighed("".join(out[start:]), _compel_weight(piece[2]))]
        elif piece[4]:
            out.append(_weighed(piece[3], _compel_weight(piece[4])))
        else:
            out.append(f"\\{piece[0]}" if piece[0] in "()[]" else piece[0])
    for start in reversed(open_at):  # brackets that nobody closed are plain ones
        out[start] = "\\("
    return "".join(out)


def _compel_weight(mark: str | None) -> float:
    if not mark:
        return 1.0
    return float(mark) if mark[0].isdigit() else (1.1 if mark[0] == "+" else 0.9) ** len(mark)


def _runs(parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Neighbours of one weight put together."""
    runs: list[tuple[list[str], float]] = []
    for words, weight in parts:
        if runs and abs(runs[-1][1] - weight) < 1e-9:
            runs[-1][0].append(words)
        else:
            runs.append(([words], weight))
    return [("".join(words), weight) for words, weight in runs]


def _weighed(words: str, weight: float) -> str:
    """A1111's brackets around the words, blanks and commas at the ends left outside."""
    inner = words.strip(" \t\n,")
    if not inner or abs(weight - 1) < 1e-6:
        return words
    before, _, after = words.partition(inner)
    return f"{before}({inner}:{f'{weight:.4f}'.rstrip('0').rstrip('.')}){after}"
