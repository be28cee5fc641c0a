"""Names that people give to files and folders of models: taken as they are, or refused with the reason; never bent."""

import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

from pathvalidate import is_valid_filename

from app.schema.errors import InvalidParams, shown

MAX_NAME_BYTES = 200
"""Most file systems take 255; endings and a temporary name's marks come on top."""
MAX_DEPTH = 8
_FORBIDDEN = frozenset('<>:"/\\|?*')
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def checked_stem(typed: str, endings: Collection[str]) -> str:
    """A file's new name without its ending (one of `endings` may have been typed); InvalidParams for what is no name everywhere."""
    name = typed.strip()
    ending = next((end for end in sorted(endings, key=len, reverse=True) if name.lower().endswith(end)), "")
    return _checked(name[: len(name) - len(ending)] if ending else name)


def checked_folder(typed: str) -> PurePosixPath:
    """A folder below another one, `/` between its parts; InvalidParams for what is none everywhere, or leads elsewhere."""
    if not typed.strip():
        return PurePosixPath()
    if typed.strip().startswith("/"):
        raise InvalidParams(f"The folder {shown(typed)!r} begins with a slash; name it as it lies below the folder of its kind.")
    parts = typed.strip().removesuffix("/").split("/")
    if "" in parts:
        raise InvalidParams(f"The folder {shown(typed)!r} has two slashes side by side, with no name between them.")
    if len(parts) > MAX_DEPTH:
        raise InvalidParams(f"Folders of models lie at most {MAX_DEPTH} deep in each other.")
    return PurePosixPath(*(_checked(part) for part in parts))


def _checked(name: str) -> str:
    problem = _problem(name)
    if problem is not None:
        raise InvalidParams(f"{shown(name)!r} cannot be the name of a file or folder: {problem}.")
    return name


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if not _FORBIDDEN.isdisjoint(name) or any(unicodedata.category(char) in _INVISIBLE for char in name):
        return 'it has one of < > : " / \\ | ? * in it, or a character that cannot be seen'
    if name != name.strip() or name[0] == "." or name[-1] == ".":
        return "it begins or ends with a dot or a space"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    if not is_valid_filename(name, platform="universal"):
        return "Windows keeps it for a device"
    return None
