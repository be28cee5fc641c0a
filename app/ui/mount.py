"""Puts the page on the web application."""

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from app.ui.page import build_page, page_options
from app.ui.parts.gate import PageGate
from app.ui.parts.services import PageParts


def mount_page(app: FastAPI, parts: PageParts) -> None:
    """Builds the page and mounts it at the root of `app`, which has its other routes by now."""
    blocks = build_page(parts)
    # Gradio's launch() sets it, which a mounted page never calls; without it Gradio copies any file that a request names into its cache.
    blocks.has_launched = True
    handlers = {number: len(event.inputs) for number, event in blocks.fns.items() if event.fn is not None}
    gate = Middleware(PageGate, handlers=handlers)
    gr.mount_gradio_app(app, blocks, path="/", app_kwargs={"middleware": [gate]}, **page_options(parts))
