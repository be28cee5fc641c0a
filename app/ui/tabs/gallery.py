"""The Gallery tab: every picture that was saved, found again."""

from app.ui.parts.html import element


def build_gallery() -> None:
    """The tab is one element of our own over /api/v1/gallery: a list of any length needs no component."""
    element("dk-gallery", elem_id="gallery")
