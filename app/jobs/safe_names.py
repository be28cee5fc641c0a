"""File and folder names that every file system takes, made from texts that people and models wrote."""

import re
import unicodedata

from pathvalidate import sanitize_filename

MAX_VALUE_CHARS = 128
"""Of one value in a name, as A1111 cuts it."""
MAX_NAME_BYTES = 200
"""Of a whole name: most file systems take 255, and number, suffix and a temporary name's marks come on top."""
MAX_DEPTH = 8
"""Folders below each other that a pattern may ask for."""
_REFUSED = re.compile(r'[#<>:"/\\|?*]')
_EDGES = re.compile(r"^[\s.]+|[\s.]+$")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Unicode categories of what turns text around, hides in names, or is no character."""
_JOINER = "\u200d"
"""Holds emoji together."""


def safe_value(text: str, *, blank: str = " ") -> str:
    """A piece of a name without what some file system refuses, at most `MAX_VALUE_CHARS`; `blank` stands for each space."""
    return _plain(text[: 4 * MAX_VALUE_CHARS]).replace(" ", blank)[:MAX_VALUE_CHARS].lstrip(" ").rstrip(". ")


def safe_name(text: str) -> str:
    """A whole name without its extension; empty where nothing is left. Names that Windows keeps for devices get a mark."""
    whole = _plain(text[: 8 * MAX_NAME_BYTES]).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    name = sanitize_filename(_EDGES.sub("", whole), replacement_text="_", platform="universal")
    return _EDGES.sub("", str(name))


def safe_folders(text: str) -> tuple[str, ...]:
    """The parts of a relative folder path; parts that are empty or would lead upwards are left out."""
    names = (safe_name(part) for part in re.split(r"[/\\]", text))
    return tuple(name for name in names if name)[:MAX_DEPTH]


def _plain(text: str) -> str:
    visible = (char if char == _JOINER or unicodedata.category(char) not in _HIDDEN else "_" for char in unicodedata.normalize("NFC", text))
    return _REFUSED.sub("_", "".join(visible))
