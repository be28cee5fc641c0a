"""Controls made from GenerationParams: names, limits and defaults come from the schema, only the slider's reach is the page's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from annotated_types import Ge, Le
from gradio.components import Component

from app.schema.params import GenerationParams, view_of


@dataclass(frozen=True)
class Span:
    """What a slider offers at first, inside the schema's limits: 1 to 1000 steps are allowed, but nobody can point at 20 there."""

    low: float
    high: float
    step: float


SPANS: dict[str, Span] = {
    "steps": Span(1, 150, 1),
    "width": Span(64, 2048, 8),
    "height": Span(64, 2048, 8),
    "cfg_scale": Span(1, 30, 0.5),
    "batch_size": Span(1, 8, 1),
    "n_iter": Span(1, 100, 1),
    "denoising_strength": Span(0, 1, 0.01),
    "scale_by": Span(0.05, 4, 0.05),
    "image_cfg_scale": Span(0, 3, 0.05),
    "mask_blur_x": Span(0, 64, 1),
    "inpaint_full_res_padding": Span(0, 256, 4),
    "soft_inpainting_bias": Span(0, 8, 0.1),
    "soft_inpainting_preservation": Span(0, 8, 0.05),
    "soft_inpainting_contrast": Span(1, 32, 0.5),
    "soft_inpainting_mask_influence": Span(0, 1, 0.05),
    "soft_inpainting_threshold": Span(0, 8, 0.1),
    "soft_inpainting_difference_contrast": Span(0, 8, 0.25),
    "clip_skip": Span(1, 12, 1),
    "hr_scale": Span(1, 4, 0.05),
    "hr_second_pass_steps": Span(0, 150, 1),
    "hr_resize_x": Span(0, 2048, 8),
    "hr_resize_y": Span(0, 2048, 8),
    "hr_cfg": Span(0, 30, 0.5),
    "refiner_switch_at": Span(0.01, 1, 0.01),
    "subseed_strength": Span(0, 1, 0.01),
    "seed_resize_from_w": Span(0, 2048, 8),
    "seed_resize_from_h": Span(0, 2048, 8),
}

SEEDS = ("seed", "subseed")
"""Shown as texts, because a browser's numbers cannot hold every seed of 64 bits."""

ELEMENT_NAMES: dict[str, str] = {
    "negative_prompt": "neg_prompt",
    "sampler": "sampling",
    "n_iter": "batch_count",
}
"""A1111's element names, where they are not the schema's: user scripts and styles look for `txt2img_sampling`."""

RESIZE_MODES: tuple[tuple[str, int], ...] = (
    ("Just resize", 0),
    ("Crop and resize", 1),
    ("Resize and fill", 2),
    ("Just resize (latent upscale)", 3),
)


def title_of(name: str) -> str:
    """What a field is called on the page."""
    view = view_of(name)
    return view.title or view.label or name.replace("_", " ").capitalize()


def element_id(tab: str, name: str) -> str:
    """The id of a field's element, as A1111 calls it: `txt2img_steps`, `img2img_batch_count`."""
    return f"{tab}_{ELEMENT_NAMES.get(name, name)}"


def limits_of(name: str) -> tuple[float | None, float | None]:
    """The schema's own lowest and highest value of a field; None where it sets none."""
    low = high = None
    for rule in GenerationParams.model_fields[name].metadata:
        if isinstance(rule, Ge):
            low = float(str(rule.ge))
        elif isinstance(rule, Le):
            high = float(str(rule.le))
    return low, high


def default_of(name: str) -> Any:
    """The schema's default; img2img's strength has its default in the model itself (None means 0.75)."""
    if name == "denoising_strength":
        return GenerationParams().strength
    return GenerationParams.model_fields[name].default


def slider(tab: str, name: str, value: float | None = None, **more: Any) -> gr.Slider:
    """A slider for a number of the schema."""
    low, high = _reach(name, default_of(name) if value is None else value)
    return gr.Slider(
        low,
        high,
        default_of(name) if value is None else value,
        step=SPANS[name].step,
        label=more.pop("label", title_of(name)),
        elem_id=more.pop("elem_id", element_id(tab, name)),
        buttons=[],
        **more,
    )


def control_update(name: str, value: object, **more: Any) -> Any:
    """Puts a value into a field's control; None leaves it as it is.

    A slider stretches its reach where a picture was made with more than it offers.
    """
    if value is None:
        return gr.update(**more) if more else gr.skip()
    if name in SPANS and isinstance(value, int | float):
        low, high = _reach(name, value)
        return gr.update(value=value, minimum=low, maximum=high, **more)
    return gr.update(value=str(value) if name in SEEDS else value, **more)


def _reach(name: str, value: float) -> tuple[float, float]:
    span = SPANS[name]
    lowest, highest = limits_of(name)
    low = min(span.low, value) if lowest is None else max(lowest, min(span.low, value))
    high = max(span.high, value) if highest is None else min(highest, max(span.high, value))
    return low, high


def dropdown(tab: str, name: str, choices: Sequence[str | tuple[str, str]], value: str | None = None, **more: Any) -> gr.Dropdown:
    """A dropdown for a name of the schema (sampler, scheduler)."""
    return gr.Dropdown(
        list(choices), value=default_of(name) if value is None else value, label=title_of(name), elem_id=element_id(tab, name), **more
    )


def icon_button(label: str, icon: str, *, elem_id: str, **more: Any) -> gr.Button:
    """A square button that shows an icon from static/icons and says its label to a screen reader (and as a tooltip)."""
    return gr.Button(label, elem_id=elem_id, elem_classes=["dk-icon-button", f"dk-icon-{icon}"], scale=0, min_width=40, **more)


def named(names: Iterable[str], values: Sequence[Any]) -> dict[str, Any]:
    """Names beside values, of equal number: what an event's inputs were called."""
    return dict(zip(names, values, strict=True))


Controls = dict[str, Component]
"""Schema field to its control on one tab."""
