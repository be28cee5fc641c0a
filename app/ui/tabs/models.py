"""The Models tab: what checkpoints there are, what they are, which one is chosen, and how to get more."""

from app.ui.parts.html import element


def build_models() -> None:
    """Downloads, and a table that our own script fills and keeps up to date while files are being hashed."""
    element("dk-downloads", elem_id="models_downloads")
    element("dk-models", elem_id="models_table")
