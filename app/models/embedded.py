"""The checkpoints that come with Darkroom."""

from pathlib import Path

from app.schema.settings import ServerSettings

EMBEDDED = "pocket-emoji-v3"
"""The checkpoint that comes with Darkroom; one of the user's own is chosen before it."""
EMBEDDED_ALL = (EMBEDDED, "pocket-emoji-v2", "pocket-emoji-v1")
"""It and those that came before it, which still make the pictures that were made with them again."""


def comes_along(path: Path, settings: ServerSettings) -> bool:
    """Whether a file is one of them: by its name and its folder, which in a plain installation holds the user's own checkpoints too."""
    embedded = settings.embedded_dir
    return embedded is not None and path.stem in EMBEDDED_ALL and path.parent.resolve() == embedded.resolve()
