"""Fields are read as leniently as pydantic 1 read them, and refused in its words."""

import pytest
from pydantic import BaseModel, ValidationError

from app.api.sdapi.lenient import Integer, Items, Mapping, Number, RequiredInteger, RequiredNumber, RequiredText, Switch, Text, Texts


class Everything(BaseModel):
    integer: Integer = None
    number: Number = None
    text: Text = None
    switch: Switch = None
    texts: Texts = None
    items: Items = None
    mapping: Mapping = None
    required_integer: RequiredInteger = 0
    required_number: RequiredNumber = 0
    required_text: RequiredText = ""


@pytest.mark.parametrize(
    ("field", "given", "taken"),
    [
        ("integer", "64", 64),
        ("integer", " 64 ", 64),
        ("integer", 1.7, 1),
        ("integer", -1.7, -1),
        ("integer", True, 1),
        ("integer", 2**70, 2**70),
        ("number", "7.5", 7.5),
        ("number", 7, 7.0),
        ("number", True, 1.0),
        ("text", 3, "3"),
        ("text", 1.5, "1.5"),
        ("switch", "yes", True),
        ("switch", "Off", False),
        ("switch", 0, False),
        ("switch", "1", True),
        ("texts", ["a", 3], ["a", "3"]),
        ("items", [1, None], [1, None]),
        ("mapping", [], {}),
        ("mapping", {"a": 1}, {"a": 1}),
        ("required_integer", "3", 3),
        ("required_number", "0.5", 0.5),
        ("required_text", 3, "3"),
        *((name, None, None) for name in ("integer", "number", "text", "switch", "texts", "items", "mapping")),
    ],
    ids=str,
)
def test_taken(field: str, given: object, taken: object) -> None:
    found = getattr(Everything(**{field: given}), field)
    assert found == taken and type(found) is type(taken)


@pytest.mark.parametrize(
    ("field", "given", "kind"),
    [
        ("integer", "1.7", "type_error.integer"),
        ("integer", "", "type_error.integer"),
        ("integer", [1], "type_error.integer"),
        ("integer", float("nan"), "type_error.integer"),
        ("integer", float("inf"), "type_error.integer"),
        ("integer", "9" * 5000, "type_error.integer"),
        ("number", "abc", "type_error.float"),
        ("number", {}, "type_error.float"),
        ("number", "inf", "type_error.float"),
        ("number", "nan", "type_error.float"),
        ("number", 10**400, "type_error.float"),
        ("text", ["a"], "type_error.str"),
        ("switch", "perhaps", "type_error.bool"),
        ("switch", 2, "type_error.bool"),
        ("switch", [], "type_error.bool"),
        ("texts", "a", "type_error.list"),
        ("texts", [["a"]], "type_error.str"),
        ("items", {"a": 1}, "type_error.list"),
        ("mapping", "a", "type_error.dict"),
        ("mapping", [1], "type_error.dict"),
        ("required_integer", None, "type_error.none.not_allowed"),
        ("required_number", None, "type_error.none.not_allowed"),
        ("required_text", None, "type_error.none.not_allowed"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refused(field: str, given: object, kind: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Everything(**{field: given})
    assert [error["type"] for error in refused.value.errors()] == [kind]
