"""From what a person types and chooses to a question to the full-text index."""

import re
from dataclasses import dataclass

from app.gallery.facets import Facet

MAX_WORDS = 32
MAX_CHARS = 1000
_TERM = re.compile(r'(-?)((?:negative|name):)?(?:"([^"]*)"?|(\S+))', re.IGNORECASE)
_WORD = re.compile(r"\w+")
_NEGATIVE = "xn"
"""Words of a negative prompt begin with this in the index: nearly all pictures have the same, and a search of prompts must not wade
through them."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for. Words are looked for in prompts and file names; times are seconds since 1970."""

    text: str = ""
    facets: tuple[Facet, ...] = ()
    after: float | None = None
    before: float | None = None
    oldest_first: bool = False


def match_of(search: Search) -> str | None:
    """The FTS5 expression; None where nothing is asked of words and facets, empty where nothing can fit.

    `"two words"` stand together, `-word` must not be there, `word*` is a beginning, `negative:word` and `name:word` look elsewhere.
    """
    wanted = [facet.word for facet in search.facets]
    unwanted: list[str] = []
    for minus, column, phrase, word in _TERM.findall(search.text[:MAX_CHARS])[:MAX_WORDS]:
        term = _term(phrase or word, _NEGATIVE if column.lower() == "negative:" else "", is_beginning=not phrase and word.endswith("*"))
        if term:
            (unwanted if minus else wanted).append(f"name : {term}" if column.lower() == "name:" else term)
    if not wanted and not unwanted:
        return None if not search.text.strip() else ""
    # FTS5 subtracts from something: every picture is in a folder.
    positive = " AND ".join(wanted) if wanted else "xfo*"
    return f"({positive}) NOT ({' OR '.join(unwanted)})" if unwanted else positive


def marked_words(negative_prompt: str) -> str:
    """A negative prompt as the index holds it."""
    return " ".join(_NEGATIVE + word for word in _words(negative_prompt))


def _term(text: str, mark: str, *, is_beginning: bool) -> str:
    """Words that stand together, quoted; empty if there is none."""
    words = [mark + word for word in _words(text)]
    return '"' + " ".join(words) + '"' + (" *" if is_beginning else "") if words else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.replace("_", " "))
