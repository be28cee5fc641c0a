"""The page: Gradio as a shell of few components, our own scripts over our own API for everything that moves."""

from html import escape
from typing import Any

import gradio as gr

from app.schema.errors import DarkroomError
from app.schema.params import Mode
from app.ui.parts.draft import Draft
from app.ui.parts.html import static_html
from app.ui.parts.services import PageParts
from app.ui.parts.start import start_values
from app.ui.parts.theme import page_theme
from app.ui.parts.top import build_top
from app.ui.parts.wiring import Page, build_post, opening_checkpoint
from app.ui.tabs.extras import build_extras_tab
from app.ui.tabs.gallery import build_gallery
from app.ui.tabs.img2img import build_img2img
from app.ui.tabs.models import build_models
from app.ui.tabs.png_info import build_png_info
from app.ui.tabs.settings import build_settings
from app.ui.tabs.txt2img import build_txt2img

STATIC_PATH = "static-darkroom"
"""Where server.py serves the folder static/, below the page's own path; static/js finds the API by it."""


def build_page(parts: PageParts) -> gr.Blocks:
    """The page with its events; reads the catalogue and the options once, and again at every load of a browser."""
    options = parts.options.get_all()
    chosen = opening_checkpoint(parts, Draft())
    start = start_values(chosen.facts if chosen else None)
    styles = _style_names(parts)
    with gr.Blocks(title="Darkroom", analytics_enabled=False, fill_width=True) as blocks:
        post = build_post()
        top = build_top(parts.catalog.checkpoints(), chosen, options)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as strip:
            with gr.Tab("txt2img", id="txt2img", elem_id="tab_txt2img"):
                txt2img = build_txt2img(start, styles, parts.jobs.scripts)
            with gr.Tab("img2img", id="img2img", elem_id="tab_img2img"):
                img2img = build_img2img(start, styles, parts.jobs.scripts)
            with gr.Tab("Extras", id="extras", elem_id="tab_extras"):
                build_extras_tab()
            with gr.Tab("PNG Info", id="pnginfo", elem_id="tab_pnginfo"):
                build_png_info(parts.settings.fetches_urls)
            with gr.Tab("Gallery", id="gallery", elem_id="tab_gallery"):
                build_gallery()
            with gr.Tab("Models", id="models", elem_id="tab_models"):
                build_models()
            with gr.Tab("Settings", id="settings", elem_id="tab_settings"):
                settings = build_settings(options)
        _footer(parts.version)
        tabs: dict[Mode, Any] = {"txt2img": txt2img, "img2img": img2img}
        Page(parts, top, tabs, settings, post).wire(blocks, strip)
    return blocks


def page_options(parts: PageParts) -> dict[str, Any]:
    """What mount_gradio_app needs beside the page: theme, head, no run history, no foreign links, no files but its own.

    The version in the addresses of our own files keeps a browser from mixing those of two releases.
    """
    version = escape(parts.version, quote=True)
    forced = parts.settings.theme
    head = "\n".join(
        (
            f'<link rel="icon" type="image/svg+xml" href="{STATIC_PATH}/icons/darkroom.svg">',
            f'<link rel="stylesheet" href="{STATIC_PATH}/css/darkroom.css?v={version}">',
            f'<meta name="darkroom-theme" content="{forced or ""}">',
            f'<script src="{STATIC_PATH}/js/early.js?v={version}"></script>',
            f'<script type="module" src="{STATIC_PATH}/js/main.js?v={version}"></script>',
        )
    )
    return {
        "theme": page_theme(),
        "head": head,
        "footer_links": [],
        "run_history": False,
        "allowed_paths": [],
        "ssr_mode": False,
        "mcp_server": False,
        "pwa": False,
    }


def _style_names(parts: PageParts) -> list[str]:
    try:
        return [style.name for style in parts.styles.list()]
    except DarkroomError:
        return []  # the file's fault is told when somebody uses a style, not by a page that does not open


def _footer(version: str) -> None:
    static_html(f'<footer class="dk-footer"><a href="docs">API</a><span>Darkroom {escape(version)}</span></footer>')
