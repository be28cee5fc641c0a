"""The rarer settings of a generation tab, folded away: hires fix, refiner, seed extras and tiling, each with a line that explains it."""

import gradio as gr

from app.schema.samplers import SAMPLERS, SCHEDULERS
from app.schema.upscalers import DEFAULT_LATENT, IMAGE_UPSCALERS, LATENT_UPSCALERS
from app.ui.parts.fields import Controls, default_of, dropdown, element_id, slider, title_of

CHECKPOINTS = {"hr_checkpoint": "Use same checkpoint", "refiner_checkpoint": "None"}
"""Fields whose choices are the checkpoints that are here, and what an empty one is called."""
PAGE_STRENGTH = 0.7
"""Denoising strength of the hires pass when the page opens, as on A1111's page."""


def checkpoint_field_choices(name: str, checkpoints: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """(shown, value) of one of `CHECKPOINTS`."""
    return [(CHECKPOINTS[name], ""), *checkpoints]


def build_hires(tab: str) -> Controls:
    """The hires fix of txt2img."""
    same_sampler, same_schedule = ("Use same sampler", ""), ("Use same scheduler", "")
    with folded(tab, "hires", "Hires. fix", "The picture is enlarged and drawn once more at the new size, which adds detail."):
        controls: Controls = {"enable_hr": _checkbox(tab, "enable_hr", "Make every picture with the hires fix")}
        with gr.Row(elem_classes=["dk-row"]):
            upscalers = [*LATENT_UPSCALERS, *IMAGE_UPSCALERS]
            controls["hr_upscaler"] = dropdown(tab, "hr_upscaler", upscalers, DEFAULT_LATENT, min_width=140)
            controls["hr_second_pass_steps"] = slider(tab, "hr_second_pass_steps", info="0: as many as the first pass.", min_width=140)
            controls["denoising_strength"] = slider(tab, "denoising_strength", PAGE_STRENGTH, info="How much is drawn anew.", min_width=140)
        with gr.Row(elem_classes=["dk-row"]):
            controls["hr_scale"] = slider(tab, "hr_scale", min_width=140)
            controls["hr_resize_x"] = slider(tab, "hr_resize_x", info="0: by the factor.", min_width=140)
            controls["hr_resize_y"] = slider(tab, "hr_resize_y", info="With both, what sticks out is cut off.", min_width=140)
        with gr.Row(elem_classes=["dk-row"]):
            controls["hr_checkpoint"] = _checkpoint(tab, "hr_checkpoint")
            controls["hr_sampler"] = dropdown(tab, "hr_sampler", [same_sampler, *((s.name, s.name) for s in SAMPLERS)], min_width=140)
            controls["hr_scheduler"] = dropdown(
                tab, "hr_scheduler", [same_schedule, *((s.label, s.label) for s in SCHEDULERS)], min_width=140
            )
            controls["hr_cfg"] = slider(tab, "hr_cfg", 0, info="0: the first pass's.", min_width=140)
        for name in ("hr_prompt", "hr_negative_prompt"):
            controls[name] = gr.Textbox(
                "", label=title_of(name), placeholder="Empty: the same as in the first pass", lines=2, elem_id=element_id(tab, name)
            )
    return controls


def build_refiner(tab: str) -> Controls:
    """The refiner."""
    with folded(tab, "refiner", "Refiner", "Another checkpoint takes over on the way and finishes the picture."):
        checkpoint = _checkpoint(tab, "refiner_checkpoint")
        switch = slider(tab, "refiner_switch_at", info="Share of the way; 1: never.", min_width=140)
    return {"refiner_checkpoint": checkpoint, "refiner_switch_at": switch}


def build_extras(tab: str) -> Controls:
    """Variations of a seed, the noise of another size, seamless pictures."""
    with folded(tab, "extras", "Seed extras and tiling", "Pictures near a known one; pictures whose edges fit each other."):
        with gr.Row(elem_classes=["dk-row"]):
            subseed = gr.Textbox(
                str(default_of("subseed")),
                label=title_of("subseed"),
                info="-1: a new one for every job.",
                max_lines=1,
                elem_id=element_id(tab, "subseed"),
                min_width=140,
            )
            strength = slider(tab, "subseed_strength", info="0: the seed's own picture, 1: the variation's.", min_width=140)
        with gr.Row(elem_classes=["dk-row"]):
            width = slider(tab, "seed_resize_from_w", info="Keeps the picture of a size that it was drawn in; 0: off.", min_width=140)
            height = slider(tab, "seed_resize_from_h", info="Both numbers are needed.", min_width=140)
        tiling = _checkbox(tab, "tiling", "The picture can be laid side by side without a seam")
        vae_tiling = _checkbox(tab, "vae_tiling", "Large pictures are decoded in parts: less memory, a slightly other picture")
    names = ("subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "tiling", "vae_tiling")
    return dict(zip(names, (subseed, strength, width, height, tiling, vae_tiling), strict=True))


def folded(tab: str, name: str, title: str, explanation: str) -> gr.Accordion:
    """An accordion, closed at first, that begins with a line of explanation."""
    accordion = gr.Accordion(title, open=False, elem_id=f"{tab}_{name}", elem_classes=["dk-folded"])
    with accordion:
        gr.Markdown(explanation, elem_classes=["dk-hint"])
    return accordion


def _checkbox(tab: str, name: str, info: str) -> gr.Checkbox:
    return gr.Checkbox(default_of(name), label=title_of(name), info=info, elem_id=element_id(tab, name))


def _checkpoint(tab: str, name: str) -> gr.Dropdown:
    """Its choices come when a page is loaded; a file that has gone since then is the job's error, not the control's."""
    return dropdown(tab, name, checkpoint_field_choices(name, []), allow_custom_value=True, min_width=140)
