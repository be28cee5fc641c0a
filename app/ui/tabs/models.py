"""The Models tab: every model file, what it is and what was said of it, and how to get more."""

from app.ui.parts.html import element


def build_models() -> None:
    """Downloads, and cards that our own scripts fill and keep up to date while files are looked at."""
    element("dk-downloads", elem_id="models_downloads")
    element("dk-models", elem_id="models_table")
