"""Extra networks in a prompt: `<lora:name:weight>` and its relatives."""

import re
from typing import Final, NamedTuple

_TAG: Final = re.compile(r"<(\w+):([^>]+)>")


class NetworkTag(NamedTuple):
    """One tag, unread: what its values mean is up to its kind."""

    kind: str
    """`lora`, `lyco`, `hypernet` ..."""
    values: tuple[str, ...]
    """What stands between the colons, the network's name first; at least one."""


def cut_tags(prompt: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """The prompt without its tags, which leave nothing behind, and the tags in order of mention.

    For prompts only: in a negative prompt they are text.
    """
    # Without this bound, every `<a:` of a prompt that has no `>` would be followed to the prompt's end.
    end = prompt.rfind(">") + 1
    tags = tuple(NetworkTag(match[1], tuple(match[2].split(":"))) for match in _TAG.finditer(prompt, 0, end))
    return _TAG.sub("", prompt[:end]) + prompt[end:], tags
