"""Reads a torch.save pickle as plain data: a small machine of our own that has no way to call or import anything.

A pickle is a program for Python's unpickler, and may call any function that it names. Weights need few of its operations, the
same ones that torch's weights-only loader knows. They are carried out here on plain values; the names in the pickle are looked
up in tables of what they mean for weights, and any other name is refused.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.models.header import DTYPE_BITS
from app.schema.errors import BadModelFile

_STORAGES: Mapping[str, str] = {
    "HalfStorage": "F16", "BFloat16Storage": "BF16", "FloatStorage": "F32", "DoubleStorage": "F64", "ByteStorage": "U8",
    "CharStorage": "I8", "ShortStorage": "I16", "IntStorage": "I32", "LongStorage": "I64", "BoolStorage": "BOOL", "UntypedStorage": "U8",
}  # fmt: skip
_DTYPES: Mapping[str, str] = {
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32",
    "int64": "I64", "bool": "BOOL", "uint16": "U16", "uint32": "U32", "uint64": "U64", "complex64": "C64", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
}  # fmt: skip
_WITHOUT_MEANING = frozenset({
    "collections.Counter", "torch.Size", "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    "_codecs.encode", "builtins.bytearray", "builtins.set", "builtins.complex",
    "__builtin__.bytearray", "__builtin__.set", "__builtin__.complex",
})  # fmt: skip
"""Names that torch's weights-only loader knows, and whose results tell nothing about weights."""
_LARGEST = 2**48
_MOST_DIMENSIONS = 64  # as in torch
_MOST_ARGUMENTS = 16
MOST_OPERATIONS = 1_000_000
"""Of a whole checkpoint: a tensor takes about thirty, and looking at a million takes about a second."""


class Storage(NamedTuple):
    """A run of numbers that tensors are views of."""

    key: str
    dtype: str
    length: int

    @property
    def size_bytes(self) -> int:
        """Bytes that the numbers take in the file."""
        return self.length * DTYPE_BITS[self.dtype] // 8


@dataclass(frozen=True, eq=False)
class SavedTensor:
    """A tensor as it was saved: a view of a storage, in numbers (`offset`, `strides`) of the format `dtype`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


class _Nothing:
    """Stands for what does not matter."""


class _Meaning(NamedTuple):
    """What a name in the pickle means: `kind` is `storage`, `dtype`, `tensor`, `parameter`, `table` or `nothing`."""

    kind: str
    dtype: str = ""


_MEANINGS: Mapping[str, _Meaning] = {
    "collections.OrderedDict": _Meaning("table"),
    **{f"torch.{name}": _Meaning("dtype", dtype) for name, dtype in _DTYPES.items()},
    **{f"{module}.{name}": _Meaning("storage", dtype) for name, dtype in _STORAGES.items() for module in ("torch", "torch.storage")},
    **{f"torch._utils._rebuild_tensor{version}": _Meaning("tensor") for version in ("", "_v2", "_v3")},
    **{f"torch._utils._rebuild_parameter{state}": _Meaning("parameter") for state in ("", "_with_state")},
    **dict.fromkeys(_WITHOUT_MEANING, _Meaning("nothing")),
}


def read_pickle(stream: io.BytesIO, most_operations: int = MOST_OPERATIONS) -> object:
    """The next object in the stream, of None, numbers, texts, tuples, lists, dicts and `SavedTensor`s; leaves the stream behind it.

    Raises BadModelFile if the pickle is damaged or too long, or asks for anything that weights do not need (the message names it).
    """
    machine = _Machine()
    texts: list[str] = []
    unknown: str | None = None
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= most_operations:
                raise BadModelFile(
                    f"The file's pickle has more than {most_operations:,} operations, which are not read: it is no checkpoint."
                )
            if isinstance(argument, str):
                argument.encode()  # a pickle's text may be half a character, which is no text
            if operation.name in ("GLOBAL", "INST") or (operation.name == "STACK_GLOBAL" and len(texts) == 2):
                _meaning(argument or ".".join(texts))
            if unknown is None and not machine.run(operation.name, argument):
                unknown = operation.name  # the rest is still looked through: a class is a better reason than an operation
            if isinstance(argument, str):
                texts = [*texts[-1:], argument]
            elif operation.name not in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                texts = []
    except (ValueError, LookupError, EOFError, TypeError, ArithmeticError) as error:
        raise BadModelFile(f"The file is damaged ({str(error)[:100]}). Download it again, if possible as .safetensors.") from error
    if unknown is not None:
        raise BadModelFile(
            f"The file was saved in a way that cannot be read without running it (pickle operation {unknown}). "
            "Convert it to safetensors with a tool you trust; nothing from the file was run."
        )
    return machine.result


class _Machine:
    """The unpickler's stack and memo, with plain values on them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self.result: object = None

    def run(self, name: str, argument: Any) -> bool:
        """Carries out one operation; False if it is none of those that weights need."""
        if name in _CONSTANTS:
            self._stack.append(argument if _CONSTANTS[name] is _ARGUMENT else _CONSTANTS[name])
        elif name in _TUPLES:
            count = _TUPLES[name]
            self._stack[-count:] = [tuple(self._stack[-count:])]
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        return name in _CONSTANTS or name in _TUPLES or name in _OPERATIONS

    def _stop(self, _: object) -> None:
        self.result = self._stack.pop()

    def _protocol(self, _: object) -> None: ...

    def _pop_to_mark(self) -> list[Any]:
        mark = self._marks.pop()
        values, self._stack[mark:] = self._stack[mark:], []
        return values

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _get(self, number: int) -> None:
        self._stack.append(self._memo[number])

    def _name(self, argument: str) -> None:
        self._stack.append(_meaning(argument))

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _new_list(self, _: object) -> None:
        self._stack.append([])

    def _new_table(self, _: object) -> None:
        self._stack.append({})

    def _append(self, _: object) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: object) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(values)

    def _set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _fill(self._stack[-1], [key, value])

    def _set_items(self, _: object) -> None:
        values = self._pop_to_mark()  # first: what is filled lies below it
        _fill(self._stack[-1], values)

    def _build(self, _: object) -> None:
        self._stack.pop()  # an object's inner state: torch keeps version numbers there

    def _call(self, _: object) -> None:
        arguments, meaning = self._stack.pop(), self._stack.pop()
        self._stack.append(_result(meaning, arguments))

    def _storage(self, _: object) -> None:
        match self._stack.pop():
            case ("storage", _Meaning("storage", dtype), str(key), str(), count, *_) if _naturals(count):
                self._stack.append(Storage(key, dtype, count))
            case _:
                raise ValueError("a storage of an unknown kind")


_ARGUMENT = object()
_CONSTANTS: Mapping[str, object] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "EMPTY_SET": _Nothing(),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"), _ARGUMENT),
}  # fmt: skip
_TUPLES: Mapping[str, int] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OPERATIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine._protocol,
    "STOP": _Machine._stop,
    "MARK": _Machine._mark,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "GLOBAL": _Machine._name,
    "TUPLE": _Machine._tuple,
    "EMPTY_LIST": _Machine._new_list,
    "EMPTY_DICT": _Machine._new_table,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "BUILD": _Machine._build,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "BINPERSID": _Machine._storage,
}


def _meaning(argument: str) -> _Meaning:
    full = argument.replace(" ", ".", 1)
    if full not in _MEANINGS:
        raise BadModelFile(
            f"The file asks for {full[:100]}, which is program code and not weights. "
            "Convert it to safetensors with a tool you trust; nothing from the file was run."
        )
    return _MEANINGS[full]


def _result(meaning: object, arguments: object) -> object:
    """What calling a name gives. Lengths come first: a long argument takes two bytes to repeat, but each time long to look at."""
    if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
        raise ValueError("a call that makes no sense")
    match meaning, arguments:
        case _Meaning("table"), ():
            return {}
        case _Meaning("parameter"), (SavedTensor() as tensor, *_):
            return tensor
        case _Meaning("tensor"), (Storage() as storage, int() as offset, tuple() as shape, tuple() as strides, *rest):
            if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS or not _naturals(offset, *shape, *strides):
                raise ValueError("a tensor of an impossible shape")
            stated = next((value.dtype for value in rest if isinstance(value, _Meaning) and value.kind == "dtype"), storage.dtype)
            return SavedTensor(storage, offset, shape, strides, stated)
        case _Meaning("nothing"), _:
            return _Nothing()
    raise ValueError("a call that makes no sense")


def _fill(table: object, keys_and_values: list[Any]) -> None:
    """Sets items; keys that are neither text nor number are left out (hashing a tuple of a million levels would end the process)."""
    if isinstance(table, dict):
        for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
            if isinstance(key, str | int | float):
                table[key] = value


def _naturals(*values: object) -> bool:
    return all(type(value) is int and 0 <= value < _LARGEST for value in values)
