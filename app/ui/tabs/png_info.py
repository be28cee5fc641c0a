"""The PNG Info tab: a picture in, its settings out and into the other tabs."""

from app.ui.parts.html import element


def build_png_info(fetches_urls: bool) -> None:
    """The tab is one element of our own: Gradio's picture box would write the file anew, and its settings would be lost."""
    element("dk-png-info", elem_id="pnginfo", addresses="on" if fetches_urls else "off")
