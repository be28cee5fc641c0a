"""The settings of a mask: how it is read, what is under it, and how the drawing is laid into the picture."""

from typing import Any

import gradio as gr

from app.ui.parts.fields import Controls, default_of, element_id, slider, title_of
from app.ui.parts.folded import folded

MASK_MODES = (("Inpaint masked", False), ("Inpaint not masked", True))
FILLS = (("fill", 0), ("original", 1), ("latent noise", 2), ("latent nothing", 3))
AREAS = (("Whole picture", False), ("Only masked", True))
SOFT = (
    "soft_inpainting_bias",
    "soft_inpainting_preservation",
    "soft_inpainting_contrast",
    "soft_inpainting_mask_influence",
    "soft_inpainting_threshold",
    "soft_inpainting_difference_contrast",
)


def build_inpainting(tab: str) -> Controls:
    """Shown while a mask is painted (static/css/canvas.css): A1111's controls in A1111's order."""
    with gr.Column(elem_classes=["dk-for-masks"], elem_id="inpaint_controls"):
        # One number for both directions; submit.py gives the second what the first holds.
        controls: Controls = {"mask_blur_x": slider(tab, "mask_blur_x", label="Mask blur", elem_id="img2img_mask_blur")}
        with gr.Row(elem_classes=["dk-row", "dk-choices"]):
            controls["inpainting_mask_invert"] = _choice(tab, "inpainting_mask_invert", MASK_MODES, "img2img_mask_mode")
            controls["inpaint_full_res"] = _choice(tab, "inpaint_full_res", AREAS)
        controls["inpainting_fill"] = _choice(tab, "inpainting_fill", FILLS)
        controls["inpaint_full_res_padding"] = slider(tab, "inpaint_full_res_padding")
        controls |= _soft(tab)
    return controls


def _soft(tab: str) -> Controls:
    name = "soft_inpainting"
    with folded(tab, name, "Soft inpainting", "The drawing fades into the picture where the mask is grey: blur it widely."):
        switch = gr.Checkbox(default_of(name), label=title_of(name), elem_id=element_id(tab, f"{name}_enabled"))
        controls: Controls = {name: switch}
        for at in range(0, len(SOFT), 2):
            with gr.Row(elem_classes=["dk-row"]):
                controls |= {field: slider(tab, field, min_width=180) for field in SOFT[at : at + 2]}
    return controls


def _choice(tab: str, name: str, choices: tuple[tuple[str, Any], ...], elem_id: str | None = None) -> gr.Radio:
    return gr.Radio(
        list(choices),
        value=default_of(name),
        label=title_of(name),
        elem_id=elem_id or element_id(tab, name),
        elem_classes=["dk-radio"],
        min_width=180,
    )
