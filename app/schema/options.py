"""A1111's options: every name it lists, with its default, and what may be done with each here; and a few of our own.

`data/a1111_options.json` holds one entry a name: its default, the group it belongs to and, where needed, what values it takes.
`data/own_options.json` is the same for options that A1111 does not have; answers of its API leave them out.
"""

import json
import math
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args, get_origin

from app.schema.errors import InvalidParams, NotSupported, UnknownName
from app.schema.params import GenerationParams, make_params, view_of

OptionValue = bool | int | float | str | list[str] | None
"""What JSON can say of an option."""

Standing = Literal["live", "page", "ignored", "kept"]
"""live: acts on pictures or files. page: stored for the page's look. ignored: follows from others. kept: stays at its default."""

MAX_TEXT_CHARS = 10_000
DATA = Path(__file__).parent / "data"
MAX_LIST_ITEMS = 1_000

KEPT: Mapping[str, str] = MappingProxyType(
    {
        "naming": "files are not named so yet",
        "folders": "this folder is chosen when the server starts, with --outputs-dir and --data-dir",
        "grid": "grids with legends are not there yet",
        "extra_files": "of unfinished pictures no files are saved yet",
        "upscaling": "upscalers are not there yet",
        "faces": "face restoration is not there yet",
        "console": "A1111's console and debugging switches have no counterpart here",
        "start": "this is decided when the server starts",
        "fetching": "pictures are not fetched from addresses here",
        "training": "training is not there yet",
        "memory": "the engine decides this itself",
        "vae": "VAEs are used one way so far",
        "unet": "a separate UNet cannot be chosen yet",
        "families": "the model families it is for are not there yet",
        "speed": "attention in tiles (Hypertile) is not there yet",
        "noise": "every picture of a batch has a seed of its own here",
        "sampling": "the model's timesteps are spaced one way here",
        "captions": "captioning is not there yet",
        "networks": "cards of LoRAs, embeddings and hypernetworks are not there yet",
        "infotext": "infotexts are read and written one way so far",
        "preview": "previews are made one way so far",
        "postprocessing": "postprocessing is not there yet",
        "extensions": "extensions have no switches yet",
    }
)
"""Group of kept options to the reason a person is told."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option as A1111 lists it."""

    name: str
    default: OptionValue
    """Its type is the option's type; None stands for a text that may be absent."""
    group: str
    also: tuple[OptionValue, ...] = ()
    """Further values a kept option takes, because they ask for what is done anyway."""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    """What a text must match from end to end."""
    example: str = ""
    """A text that matches, where the default says too little."""
    field: str | None = None
    """The field of GenerationParams it sets."""
    own: bool = False
    """Whether A1111 has no such option."""

    @property
    def standing(self) -> Standing:
        """Whether and why it may be changed."""
        if self.group in ("live", "page", "ignored"):
            return self.group  # type: ignore[return-value]  # mypy does not narrow a str by a tuple
        return "kept"

    @property
    def reason(self) -> str:
        """Why a kept option stays at its default; empty for the others."""
        return KEPT.get(self.group, "")


@cache
def option_table() -> Mapping[str, Option]:
    """All of A1111's options by name, in its order, then our own; read-only."""
    fields = {view_of(field).option: field for field in GenerationParams.model_fields}
    theirs, ours = (json.loads((DATA / name).read_text(encoding="utf-8")) for name in ("a1111_options.json", "own_options.json"))
    table = {
        name: Option(
            name=name,
            default=entry["default"],
            group=entry["group"],
            also=tuple(entry.get("also", ())),
            choices=tuple(entry.get("choices", ())) or _choices(fields.get(name)),
            minimum=entry.get("minimum"),
            maximum=entry.get("maximum"),
            pattern=entry.get("pattern"),
            example=entry.get("example", ""),
            field=fields.get(name),
            own=name in ours,
        )
        for name, entry in {**theirs, **ours}.items()
    }
    return MappingProxyType(table)


def _choices(field: str | None) -> tuple[str, ...]:
    """What a field of GenerationParams may be, where it is one of a few words."""
    annotation = GenerationParams.model_fields[field].annotation if field else None
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def find_option(name: str) -> Option:
    """The option of that name; UnknownName if A1111 has none."""
    table = option_table()
    if name not in table:
        raise UnknownName("option", name, table)
    return table[name]


def default_values() -> dict[str, OptionValue]:
    """A fresh dict of all defaults, in A1111's order."""
    return {name: deepcopy(option.default) for name, option in option_table().items()}


def accept_value(option: Option, value: object, current: OptionValue) -> OptionValue:
    """What the option is once `value` has been posted; `current` where that changes nothing.

    Texts and floats are taken for numbers and whole numbers where they mean the same, and a null leaves the option as it is.
    InvalidParams for a value of the wrong kind or range, NotSupported for a kept option asked for at another value.
    """
    if value is None or option.standing == "ignored":
        return current
    try:
        wanted = _convert(option, value)
    except InvalidParams:
        if option.standing == "kept":
            raise _refusal(option, value) from None
        raise
    if _same(wanted, current):
        return current
    if option.standing == "kept" and not any(_same(wanted, known) for known in (option.default, *option.also)):
        raise _refusal(option, value)
    return _in_range(option, wanted)


def _refusal(option: Option, value: object) -> NotSupported:
    shown, kept = (json.dumps(v, ensure_ascii=False, default=str)[:60] for v in (value, option.default))
    return NotSupported(f"Option {option.name} cannot be {shown}: {option.reason}. It stays at {kept}.")


def _wrong(option: Option, what: str, value: object) -> InvalidParams:
    return InvalidParams(f"Option {option.name} should be {what} (given: {str(value)[:60]!r}).")


def _same(one: OptionValue, other: OptionValue) -> bool:
    """Equal by value; True is not 1, so that a switch never equals a number."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _convert(option: Option, value: object) -> OptionValue:
    """`value` in the type of the option's default."""
    match option.default:
        case bool():
            return _to_switch(option, value)
        case int() | float():
            return _to_number(option, value)
        case list():
            if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
                raise _wrong(option, "a list of texts", value)
            if len(value) > MAX_LIST_ITEMS or any(len(item) > MAX_TEXT_CHARS for item in value):
                raise _wrong(option, f"at most {MAX_LIST_ITEMS} texts", value)
            return [_whole_text(option, item) for item in value]
        case _:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise _wrong(option, "a text", value)
            if len(text := str(value)) > MAX_TEXT_CHARS:
                raise _wrong(option, f"at most {MAX_TEXT_CHARS} characters long", value)
            return _whole_text(option, text)


def _whole_text(option: Option, text: str) -> str:
    """`text`, which no answer and no picture could hold if it had half a character (a lone surrogate, which JSON can spell)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _wrong(option, "a text without halves of characters", text) from error
    return text


def _to_switch(option: Option, value: object) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    word = str(int(value)) if isinstance(value, float) and value in (0, 1) else str(value).strip().lower()
    if word not in words:
        raise _wrong(option, "true or false", value)
    return words[word]


def _to_number(option: Option, value: object) -> int | float:
    """A whole option stays whole: clients post back 80.0 for 80, and a float would break what counts with it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(option, "a number", value)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise _wrong(option, "a number", value) from error
    if not math.isfinite(number):
        raise _wrong(option, "a finite number", value)
    if isinstance(option.default, float):
        return number
    if not number.is_integer():
        raise _wrong(option, "a whole number", value)
    return int(number)


def _in_range(option: Option, value: OptionValue) -> OptionValue:
    if option.choices and value not in option.choices:
        raise _wrong(option, f"one of {', '.join(option.choices)}", value)
    if option.minimum is not None and isinstance(value, int | float) and value < option.minimum:
        raise _wrong(option, f"{option.minimum:g} or more", value)
    if option.maximum is not None and isinstance(value, int | float) and value > option.maximum:
        raise _wrong(option, f"{option.maximum:g} or less", value)
    if option.pattern and not re.fullmatch(option.pattern, str(value)):
        raise _wrong(option, f"like {option.example or option.default}", value)
    if option.field:
        # The limits stand in the schema of one job; they are asked there and told under the option's name.
        try:
            make_params(**{option.field: value})
        except InvalidParams as error:
            raise InvalidParams(f"Option {option.name}: {str(error).removeprefix(f'{option.field}: ')}") from error
    return value
