"""Field types that take what A1111's pydantic 1 took ("64" for 64, 1.7 for 1) and refuse in its words."""

import contextlib
import math
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})


def _integer(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str | float | bool):
        with contextlib.suppress(ValueError, OverflowError):
            return int(value)
    raise PydanticCustomError("type_error.integer", "value is not a valid integer")


def _number(value: object) -> float | None:
    if value is None:
        return value
    if isinstance(value, str | float | int):
        with contextlib.suppress(ValueError, OverflowError):
            if not math.isfinite(number := float(value)):
                raise PydanticCustomError("value_error.number.not_finite_number", "ensure this value is a finite number")
            return number
    raise PydanticCustomError("type_error.float", "value is not a valid float")


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise PydanticCustomError("type_error.str", "str type expected")


def _switch(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        word = str(value).lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise PydanticCustomError("type_error.bool", "value could not be parsed to a boolean")


def _items(value: object) -> list[Any] | None:
    if value is None or isinstance(value, list):
        return value
    raise PydanticCustomError("type_error.list", "value is not a valid list")


def _mapping(value: object) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    if value == []:  # A1111 takes an empty list for "nothing"
        return {}
    raise PydanticCustomError("type_error.dict", "value is not a valid dict")


def _present(value: object) -> object:
    if value is None:
        raise PydanticCustomError("type_error.none.not_allowed", "none is not an allowed value")
    return value


Integer = Annotated[int | None, BeforeValidator(_integer)]
Number = Annotated[float | None, BeforeValidator(_number)]
Text = Annotated[str | None, BeforeValidator(_text)]
Switch = Annotated[bool | None, BeforeValidator(_switch)]
Texts = Annotated[list[Annotated[str, BeforeValidator(_text)]] | None, BeforeValidator(_items)]
Items = Annotated[list[Any] | None, BeforeValidator(_items)]
Mapping = Annotated[dict[str, Any] | None, BeforeValidator(_mapping)]
RequiredNumber = Annotated[float, BeforeValidator(_number), BeforeValidator(_present)]
RequiredText = Annotated[str, BeforeValidator(_text), BeforeValidator(_present)]
RequiredInteger = Annotated[int, BeforeValidator(_integer), BeforeValidator(_present)]
