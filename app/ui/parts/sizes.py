"""How large the pictures of a generation tab are, and how many there are."""

import gradio as gr

from app.ui.parts.events import QUIET, script
from app.ui.parts.fields import Controls, icon_button, slider
from app.ui.parts.html import element
from app.ui.parts.start import StartValues


def size_and_batch(tab: str, start: StartValues) -> Controls:
    """Sliders for width, height, batch count and batch size; img2img has more ways to a size, because it has a picture."""
    from_picture = tab == "img2img"
    with gr.Row(elem_classes=["dk-row", "dk-size-row"]):
        with gr.Column(scale=5, min_width=180):
            if from_picture:
                element("dk-resize-tabs", elem_id="img2img_tabs_resize")
            width = slider(tab, "width", start.size_px)
            height = slider(tab, "height", start.size_px)
            factor = {"scale_by": slider(tab, "scale_by", 1)} if from_picture else {}
        with gr.Column(scale=0, min_width=40, elem_classes=["dk-size-buttons"]):
            swap = icon_button("Swap width and height", "swap", elem_id=f"{tab}_res_switch_btn")
            if from_picture:
                measure = icon_button("Take the size of the input picture", "ruler", elem_id="img2img_detect_image_size_btn")
                js = script("darkroom.inputSize() ?? values")
                measure.click(None, [width, height], [width, height], js=js, **QUIET)
                element("dk-size-lock")
        with gr.Column(scale=4, min_width=160):
            count = slider(tab, "n_iter")
            size = slider(tab, "batch_size")
    swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]", **QUIET)
    return {"width": width, "height": height, "n_iter": count, "batch_size": size, **factor}
