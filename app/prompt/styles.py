"""Styles: named pieces of prompt in A1111's styles.csv."""

import csv
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from app.schema.errors import DarkroomError, TooLarge

_PLACE: Final = "{prompt}"
_COLUMNS: Final = ("name", "prompt", "negative_prompt")
_MOST_CHARACTERS: Final = 1_000_000
"""A style may hold its place twice, so that a few of them would fill the memory."""
_MOST_IN_A_TEXT: Final = 100_000
"""Python's csv module, and so A1111, reads no file with a text of over 131072 characters in it."""
_LINE_BREAK: Final = re.compile(r"\r\n?")


class BadStyles(DarkroomError):
    """A styles file that cannot be read or written, or a style without a name."""

    code = "bad_styles"
    status = 422


class Style(NamedTuple):
    """A row of styles.csv."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def _merged(style: str, text: str) -> str:
    """`text` in the style's place for it, else before the style with a comma between; TooLarge over a million characters."""
    if len(style) + style.count(_PLACE) * len(text) > _MOST_CHARACTERS:
        raise TooLarge(f"The prompt would have more than {_MOST_CHARACTERS} characters with these styles. Choose fewer of them.")
    if _PLACE in style:
        return style.replace(_PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def apply_styles(styles: Sequence[tuple[str, str, str]], prompt: str, negative_prompt: str, names: Iterable[str]) -> tuple[str, str]:
    """Both prompts with those of the styles (name, prompt, negative prompt) in them that are named; TooLarge for what grows too long."""
    known = {name: (text, negative) for name, text, negative in styles}
    for text, negative in (known[name] for name in names if name in known):
        prompt, negative_prompt = _merged(text, prompt), _merged(negative, negative_prompt)
    return prompt, negative_prompt


class Styles:
    """The styles in one file, read anew each time, so that edits by hand count at once; without the file there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def list(self) -> tuple[Style, ...]:
        """All styles in the file's order, a name's last row where it has several; BadStyles if the file cannot be read."""
        return tuple(self._read(self._path).values())

    def apply(self, prompt: str, negative_prompt: str, names: Iterable[str]) -> tuple[str, str]:
        """Both prompts with the styles in them, one after the other; names that no style has are ignored, as A1111 does."""
        chosen = tuple(names)
        return apply_styles(tuple(self._read(self._path).values()) if chosen else (), prompt, negative_prompt, chosen)

    def save(self, style: Style) -> None:
        """Adds a style, or replaces the one of that name in its place; TooLarge for a text of over 100,000 characters.

        Its line breaks are kept as \\n: readers of CSV take an unquoted \\r for the end of a row.
        """
        style = Style(*(_storable(text) for text in style))
        if not style.name.strip():
            raise BadStyles("A style needs a name.")
        if max(map(len, style)) > _MOST_IN_A_TEXT:
            raise TooLarge(f"A text of the style has more than {_MOST_IN_A_TEXT} characters. Make it shorter.")
        self._change(lambda known: known.update({style.name: style}))

    def delete(self, name: str) -> None:
        """Removes a style, if there is one of that name."""
        self._change(lambda known: known.pop(name, None))

    def _read(self, path: Path) -> dict[str, Style]:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames is not None and "name" not in reader.fieldnames:
                    raise BadStyles(f"The first line of {self._path.name} must name the columns: {', '.join(_COLUMNS)}.")
                rows = list(reader)
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadStyles(f"{self._path.name} cannot be read as a table of styles in UTF-8: {error}") from error
        # Files of A1111's first months have the prompt in a column `text`.
        styles = (Style(row["name"] or "", row.get("prompt") or row.get("text") or "", row.get("negative_prompt") or "") for row in rows)
        return {style.name: style for style in styles if style.name}

    def _change(self, change: Callable[[dict[str, Style]], object]) -> None:
        """Reads, changes and writes the file, if what is written can be read; a reader sees the old one or the new one, never a part."""
        with self._writing:
            # A file edited by hand may have \r in its quoted texts.
            known = {style.name: style for style in (Style(*map(_storable, row)) for row in self._read(self._path).values())}
            change(known)
            beside = self._path.with_name(f".{self._path.name}.new")
            try:
                # With the mark that tells spreadsheets it is UTF-8, as A1111 writes it.
                with beside.open("w", encoding="utf-8-sig", newline="") as file:
                    writer = csv.writer(file, lineterminator="\n")
                    writer.writerows([_COLUMNS, *known.values()])
                    file.flush()
                    os.fsync(file.fileno())
                if self._read(beside) != known:
                    raise BadStyles(f"{self._path.name} is left as it was: what would have been written cannot be read back.")
                beside.replace(self._path)
            except (OSError, BadStyles) as error:
                with suppress(OSError):
                    beside.unlink()
                if isinstance(error, BadStyles):
                    raise
                raise BadStyles(f"{self._path.name} cannot be written: {error}") from error


def _storable(text: str) -> str:
    """The text with line breaks as \\n, and a question mark for each half of a character that UTF-8 has no bytes for."""
    return _LINE_BREAK.sub("\n", text).encode("utf-8", "replace").decode("utf-8")
