"""The img2img tab: the same as txt2img, with a picture to start from that can be painted on."""

from collections.abc import Sequence

import gradio as gr

from app.scripts import ScriptTable
from app.ui.parts.batch import MOST_PICTURES
from app.ui.parts.fields import RESIZE_MODES, Controls, default_of, element_id, title_of
from app.ui.parts.generation import GenerationTab, build_generation
from app.ui.parts.html import element
from app.ui.parts.inpainting import build_inpainting
from app.ui.parts.start import StartValues


def build_img2img(start: StartValues, styles: Sequence[str], scripts: ScriptTable) -> GenerationTab:
    """From a prompt and a picture; its sub-tabs are the canvas's (static/js/start_modes.js)."""
    return build_generation("img2img", start, styles, scripts, _input_picture)


def _input_picture() -> Controls:
    element("dk-input-picture", elem_id="img2img_image", batch_limit=str(MOST_PICTURES))
    mode = gr.Radio(
        list(RESIZE_MODES),
        value=default_of("resize_mode"),
        label=title_of("resize_mode"),
        elem_id=element_id("img2img", "resize_mode"),
        elem_classes=["dk-radio"],
    )
    return {"resize_mode": mode, **build_inpainting("img2img")}
