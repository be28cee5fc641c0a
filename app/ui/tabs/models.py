"""The Models tab: how to get more models, what can be made of them, and every model file with what was said of it."""

from app.ui.parts.html import element


def build_models() -> None:
    """Downloads, the merger and model jobs, and cards that our own scripts fill and keep up to date while files are looked at."""
    element("dk-downloads", elem_id="models_downloads")
    element("dk-merger", elem_id="models_merger")
    element("dk-model-jobs", elem_id="models_jobs")
    element("dk-models", elem_id="models_table")
    element("dk-model-trash", elem_id="models_trash")
