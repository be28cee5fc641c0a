"""The places in Gradio's page that our own scripts fill: custom elements, each with what it must know as attributes."""

from html import escape

import gradio as gr


def element(tag: str, *, elem_id: str | None = None, classes: tuple[str, ...] = (), **attributes: str) -> gr.HTML:
    """A `<dk-...>` element; static/js registers what it does. Attribute names turn `_` into `-`."""
    written = "".join(f' {name.replace("_", "-")}="{escape(value, quote=True)}"' for name, value in attributes.items())
    return static_html(f"<{tag}{written}></{tag}>", elem_id=elem_id, classes=classes)


def static_html(markup: str, *, elem_id: str | None = None, classes: tuple[str, ...] = ()) -> gr.HTML:
    """Markup without Gradio's styles and click events; whatever is not ours in it must be escaped."""
    return gr.HTML(markup, elem_id=elem_id, elem_classes=["dk-html", *classes], apply_default_css=False, js_on_load=None)
