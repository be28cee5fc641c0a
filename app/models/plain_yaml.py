"""Reads a small YAML file as tables, lists and texts: nothing in it is turned into dates, numbers or objects, and nothing is unfolded."""

from pathlib import Path

import yaml

from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

YAML_LIMIT_BYTES = 64 * 2**10
"""A1111's own have two to four kilobytes."""
_EMPTY = ("", "~", "null", "Null", "NULL")


class _Refused(yaml.YAMLError):
    """Something that YAML has and no configuration needs."""

    def __init__(self, problem: str, mark: object) -> None:
        self.problem, self.problem_mark = problem, mark


class _PlainLoader(yaml.BaseLoader):
    """YAML without what grows or acts: an alias takes two bytes and stands for all that it names, a type is a program's own business."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it without types
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("it has aliases", event.start_mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise _Refused("it names types", event.start_mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> object:
    """What the file says, every number and word in it a text.

    Raises BadModelFile, with one sentence that names the file, if it cannot be read, is too long or damaged, or has aliases or types.
    """
    try:
        with open_regular(path) as file:
            data = file.read(YAML_LIMIT_BYTES + 1)
    except OSError as error:
        raise BadModelFile(f"{path.name} beside it cannot be read: {error.strerror or error}.") from error
    if len(data) > YAML_LIMIT_BYTES:
        raise BadModelFile(f"{path.name} beside it is no configuration: it has more than {YAML_LIMIT_BYTES:,} bytes.")
    try:
        return yaml.load(data, Loader=_PlainLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or type(error).__name__)[:80]
        if isinstance(error, _Refused):
            raise BadModelFile(f"{path.name} beside it is no configuration: {problem}{place}.") from error
        raise BadModelFile(f"{path.name} beside it is damaged{place} ({problem}).") from error


def text_at(content: object, name: str) -> str | None:
    """The text under a dotted name, None where nothing stands; tables and lists are told by their brackets, and not written out."""
    match value_at(content, name):
        case str(text):
            return None if text in _EMPTY else text
        case list():
            return "[...]"
        case dict():
            return "{...}"
    return None


def value_at(content: object, name: str) -> object:
    """What stands under a dotted name, in which a number is a place in a list; None where nothing does."""
    for key in name.split("."):
        if isinstance(content, list) and key.isdecimal():
            content = content[int(key)] if int(key) < len(content) else None
        else:
            content = content.get(key) if isinstance(content, dict) else None
    return content
