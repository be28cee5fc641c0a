"""Comments in a prompt: from `#` to the end of the line."""

import re
from typing import Final

_COMMENT: Final = re.compile(r"^#[^\n]*(?:\n|\Z)|#[^\n]*", re.MULTILINE)


def strip_comments(text: str) -> str:
    """The text without comments; a line that begins with `#` goes as a whole, elsewhere what stands before `#` stays as it is."""
    return _COMMENT.sub("", text)
