"""The Models tab: what checkpoints there are, what they are, and which one is chosen."""

from app.ui.parts.html import element


def build_models() -> None:
    """A table that our own script fills and keeps up to date while files are being hashed."""
    element("dk-models", elem_id="models_table")
