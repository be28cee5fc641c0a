"""The line above the tabs: checkpoint, quick settings, the program's state and the theme switch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from app.models.facts import ModelFile
from app.schema.options import OptionValue
from app.ui.parts.fields import default_of, icon_button, slider
from app.ui.parts.html import element

CHECKPOINT_OPTION = "sd_model_checkpoint"
CLIP_SKIP_OPTION = "CLIP_stop_at_last_layers"


@dataclass(frozen=True)
class Top:
    """The controls that every generation tab shares."""

    checkpoint: gr.Dropdown
    refresh: gr.Button
    clip_skip: gr.Slider


def build_top(models: Sequence[ModelFile], chosen: ModelFile | None, options: Mapping[str, OptionValue]) -> Top:
    """Lays out the line; what is chosen comes from the options."""
    with gr.Row(elem_id="quicksettings", elem_classes=["dk-top"]):
        checkpoint = gr.Dropdown(
            checkpoint_choices(models),
            value=chosen.filename if chosen else None,
            label="Stable Diffusion checkpoint",
            elem_id="setting_sd_model_checkpoint",
            scale=0,
            min_width=280,
        )
        refresh = icon_button("Look for new checkpoints", "refresh", elem_id="refresh_sd_model_checkpoint")
        clip_skip = slider(
            "setting",
            "clip_skip",
            float(str(options[CLIP_SKIP_OPTION])),
            elem_id="setting_CLIP_stop_at_last_layers",
            visible=shows_clip_skip(options),
            scale=0,
            min_width=200,
        )
        element("dk-top-end", classes=("dk-top-end-html",))
    element("dk-model-hint", elem_id="model_hint")
    return Top(checkpoint, refresh, clip_skip)


def checkpoint_choices(models: Sequence[ModelFile]) -> list[tuple[str, str]]:
    """(title as A1111 shows it, file name) of every checkpoint that can be loaded."""
    return [(model.title, model.filename) for model in models if model.problem is None]


def shows_clip_skip(options: Mapping[str, OptionValue], value: object = None) -> bool:
    """Whether clip skip is among the quick settings, or (given or set) at a value that should not act unseen."""
    listed = options["quicksettings_list"]
    acts = options[CLIP_SKIP_OPTION] if value is None else value
    return (isinstance(listed, list) and CLIP_SKIP_OPTION in listed) or acts != default_of("clip_skip")
