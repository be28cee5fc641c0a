"""The arguments of scripts: positional in requests, controls on the page, checked against one declaration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.schema.errors import InvalidParams

Kind = Literal["note", "switch", "whole", "number", "text", "choice", "index", "choices"]
"""`note`: a remark on A1111's page that takes a place among the arguments; `index`: a choice that A1111 sends as its place in the list."""
Value = str | bool | int | float | tuple[str, ...] | None
MAX_TEXT_CHARS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a script."""

    name: str
    label: str
    kind: Kind
    default: Value = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    most: float | None = None
    """What a request may ask for where the slider ends earlier."""
    choices: tuple[str, ...] | None = None
    lines: int = 1
    """Height of a text's box on the page."""
    info: str = ""
    """A line of explanation for the page."""
    told: str = ""
    """The infotext label under which pictures of the script tell it; empty: they do not."""
    untold: Value = None
    """What a picture of the script means that does not tell it, where it could."""

    def read(self, value: object) -> Value:
        """The value as the script takes it; InvalidParams with a sentence."""
        match self.kind:
            case "note":
                return None
            case "switch":
                return self._switch(value)
            case "whole" | "number":
                return self._number(value)
            case "text":
                if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
                    raise self._wrong(value, "a text")
                return value
            case "choice" | "index":
                return self._choice(value)
            case "choices":
                return self._choices(value)

    def _switch(self, value: object) -> bool:
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise self._wrong(value, "true or false")
        return bool(value)

    def _number(self, value: object) -> float:
        if isinstance(value, str) and len(value) < 40:
            try:
                value = float(value)
            except ValueError:
                raise self._wrong(value, "a number") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(value, "a number")
        low, high = self.minimum, self.maximum if self.most is None else self.most
        if low is not None and high is not None and not low <= value <= high:  # nor if it is not a number
            raise self._wrong(value, f"a number from {low:g} to {high:g}")
        if self.kind == "whole":
            if value != int(value):
                raise self._wrong(value, "a whole number")
            return int(value)
        return float(value)

    def _choice(self, value: object) -> str:
        choices = self.choices or ()
        if isinstance(value, int | float) and not isinstance(value, bool) and value in range(len(choices)):
            return choices[int(value)]
        found = next((choice for choice in choices if isinstance(value, str) and choice.lower() == value.strip().lower()), None)
        if found is None:
            shown = ", ".join(choices[:20]) + (" ..." if len(choices) > 20 else "")
            numbered = f", or its number from 0 to {len(choices) - 1}" if self.kind == "index" else ""
            raise self._wrong(value, f"one of {shown}{numbered}")
        return found

    def _choices(self, value: object) -> tuple[str, ...]:
        """Of no fixed choices: any texts."""
        given = [value] if isinstance(value, str) else value
        if given is None:
            return ()
        if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
            raise self._wrong(value, "a list of texts")
        if unknown := [item for item in given if self.choices is not None and item not in self.choices]:
            raise self._wrong(unknown[0], f"a list of {', '.join(self.choices or ())}")
        return tuple(dict.fromkeys(given)) if self.choices is not None else tuple(given)

    def _wrong(self, value: object, wanted: str) -> InvalidParams:
        return InvalidParams(f"The script's argument {self.label or self.name!r} should be {wanted} (given: {str(value)[:60]!r}).")


@dataclass(frozen=True)
class Given:
    """The arguments of one request, by name."""

    values: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def read(cls, script: str, arguments: Sequence[Argument], given: Sequence[object]) -> "Given":
        """From `script_args`; InvalidParams for the wrong number of them or a wrong one, with one sentence."""
        if len(given) != len(arguments):
            names = ", ".join(argument.label or "(a note: null)" for argument in arguments)
            raise InvalidParams(f"The script {script} takes {len(arguments)} script_args ({names}); {len(given)} were given.")
        return cls({argument.name: argument.read(value) for argument, value in zip(arguments, given, strict=True)})

    def text(self, name: str) -> str:
        """A text or a choice."""
        value = self.values[name]
        assert isinstance(value, str)
        return value

    def switch(self, name: str) -> bool:
        """A switch."""
        return self.values[name] is True

    def number(self, name: str) -> float:
        """A number."""
        value = self.values[name]
        assert isinstance(value, int | float)
        return value

    def whole(self, name: str) -> int:
        """A whole number."""
        return int(self.number(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Several choices."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return value


def note(text: str = "") -> Argument:
    """A remark among the arguments."""
    return Argument(name="note", label="", kind="note", default=text)


def switch(name: str, label: str, default: bool = False, info: str = "") -> Argument:
    """A switch."""
    return Argument(name=name, label=label, kind="switch", default=default, info=info)


def whole(name: str, label: str, default: int, low: int, high: int, step: int = 1, *, most: int | None = None) -> Argument:
    """A slider of whole numbers."""
    return Argument(name=name, label=label, kind="whole", default=default, minimum=low, maximum=high, step=step, most=most)


def number(name: str, label: str, default: float, low: float, high: float, step: float = 0.01, *, most: float | None = None) -> Argument:
    """A slider."""
    return Argument(name=name, label=label, kind="number", default=default, minimum=low, maximum=high, step=step, most=most)


def choice(name: str, label: str, choices: Sequence[str], default: str) -> Argument:
    """One of several words."""
    return Argument(name=name, label=label, kind="choice", default=default, choices=tuple(choices))


def by_index(name: str, label: str, choices: Sequence[str], default: str, *, told: str = "", untold: str | None = None) -> Argument:
    """One of several words, which A1111's clients name by its place in the list; the word itself is understood, too."""
    return Argument(name=name, label=label, kind="index", default=default, choices=tuple(choices), told=told, untold=untold)


def several(name: str, label: str, choices: Sequence[str] | None, default: Sequence[str] = ()) -> Argument:
    """Some of several words; None: any."""
    return Argument(name=name, label=label, kind="choices", default=tuple(default), choices=None if choices is None else tuple(choices))


def text(name: str, label: str, lines: int = 1, info: str = "", told: str = "") -> Argument:
    """A text."""
    return Argument(name=name, label=label, kind="text", default="", lines=lines, info=info, told=told, untold="" if told else None)
