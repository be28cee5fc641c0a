"""What the txt2img and img2img tabs share: prompt boxes, the Generate column, sampler, size, batch, guidance and seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr

from app.schema.params import Mode
from app.schema.samplers import SAMPLERS, SCHEDULERS
from app.scripts import ScriptTable
from app.ui.parts.events import QUIET, script
from app.ui.parts.fields import Controls, default_of, dropdown, element_id, icon_button, slider, title_of
from app.ui.parts.folded import build_extras, build_hires, build_refiner
from app.ui.parts.html import element
from app.ui.parts.scripts import ScriptControls, build_scripts
from app.ui.parts.sizes import size_and_batch
from app.ui.parts.start import StartValues
from app.ui.parts.style_editor import StyleEditor, build_style_editor

KEYS_HINT = "(Ctrl+Enter generates, Alt+Enter skips, Esc interrupts, Ctrl+Up and Ctrl+Down weigh words)"
PAGE_IMAGE_CFG = 1.5
"""Image CFG scale when the page opens, as on A1111's page."""


@dataclass(frozen=True)
class GenerationTab:
    """The parts of one generation tab that others may touch."""

    name: str
    controls: Controls
    """Schema field to its control; a job is made from these and the page's checkpoint and clip skip."""
    overrides: gr.Dropdown
    """Settings of a picture that have no control here."""
    styles: gr.Dropdown
    generate: gr.Button
    paste: gr.Button
    apply_styles: gr.Button
    edit_styles: gr.Button
    style_editor: StyleEditor
    scripts: ScriptControls


@dataclass(frozen=True)
class _Prompts:
    controls: Controls
    styles: gr.Dropdown
    generate: gr.Button
    paste: gr.Button
    apply_styles: gr.Button
    edit_styles: gr.Button


def build_generation(
    tab: Mode, start: StartValues, styles: Sequence[str], scripts: ScriptTable, above: Callable[[], Controls] | None = None
) -> GenerationTab:
    """Lays out one generation tab; `above` builds what stands before the sampler row (img2img's picture) and gives its controls."""
    top = _prompt_row(tab, start, styles)
    editor = build_style_editor(tab)
    with gr.Row(elem_classes=["dk-work"]):
        with gr.Column(scale=6, min_width=320, elem_classes=["dk-settings"]):
            element("dk-cards", elem_id=f"{tab}_extra_tabs", classes=("dk-cards-html",), tab=tab)
            controls = above() if above else {}
            controls |= _sampling_row(tab, start)
            controls |= size_and_batch(tab, start)
            controls |= _guidance(tab, start)
            controls |= _seed_row(tab)
            if tab == "txt2img":
                controls |= build_hires(tab)
            controls |= build_refiner(tab) | build_extras(tab)
            chosen_script = build_scripts(tab, scripts)
            overrides = gr.Dropdown(
                [],
                value=[],
                multiselect=True,
                visible=False,
                label="Override settings",
                info="From a picture; they act on this tab's jobs only.",
                elem_id=f"{tab}_override_settings",
            )
        with gr.Column(scale=6, min_width=320, elem_classes=["dk-results-column"]):
            element("dk-results", elem_id=f"{tab}_results", tab=tab)
    return GenerationTab(
        tab,
        top.controls | controls,
        overrides,
        top.styles,
        top.generate,
        top.paste,
        top.apply_styles,
        top.edit_styles,
        editor,
        chosen_script,
    )


def _prompt_row(tab: str, start: StartValues, styles: Sequence[str]) -> _Prompts:
    with gr.Row(elem_id=f"{tab}_toprow", elem_classes=["dk-toprow"]):
        with gr.Column(scale=6, min_width=320, elem_id=f"{tab}_prompt_container", elem_classes=["dk-prompts"]):
            prompt = _prompt_box(tab, "prompt", start.prompt, f"Prompt\n{KEYS_HINT}")
            negative = _prompt_box(tab, "negative_prompt", "", "Negative prompt: what the picture should not show")
        with gr.Column(scale=2, min_width=280, elem_id=f"{tab}_actions_column", elem_classes=["dk-actions"]):
            with gr.Row(elem_id=f"{tab}_generate_box", elem_classes=["dk-generate-box"]):
                generate = gr.Button("Generate", variant="primary", elem_id=f"{tab}_generate", elem_classes=["dk-generate"])
                element("dk-controls", classes=("dk-controls-html",), tab=tab)
            with gr.Row(elem_id=f"{tab}_tools", elem_classes=["dk-tools"]):
                paste = icon_button("Read the settings in the prompt box into the fields", "paste", elem_id=f"{tab}_paste")
                clear = icon_button("Clear the prompts", "clear", elem_id=f"{tab}_clear_prompt")
                apply = icon_button("Write the chosen styles into the prompts", "styles", elem_id=f"{tab}_style_apply")
                edit = icon_button("Edit styles", "text", elem_id=f"{tab}_style_create")
                element("dk-forever", classes=("dk-forever-html",), tab=tab)
                chosen = gr.Dropdown(
                    list(styles),
                    value=[],
                    multiselect=True,
                    label="Styles",
                    elem_id=f"{tab}_styles",
                    elem_classes=["dk-styles"],
                    min_width=60,
                )
    clear.click(None, None, [prompt, negative], js="() => ['', '']", **QUIET)
    return _Prompts({"prompt": prompt, "negative_prompt": negative}, chosen, generate, paste, apply, edit)


def _prompt_box(tab: str, name: str, value: str, placeholder: str) -> gr.Textbox:
    box_id = element_id(tab, name)
    with gr.Column(elem_classes=["dk-prompt"], min_width=0):
        box = gr.Textbox(
            value,
            label=title_of(name),
            placeholder=placeholder,
            lines=3,
            max_lines=12,
            elem_id=box_id,
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off"),
        )
        counter = f"{tab}_token_counter" if name == "prompt" else f"{tab}_negative_token_counter"
        element("dk-tokens", elem_id=counter, classes=("dk-tokens-html",), box=box_id)
    return box


def _sampling_row(tab: str, start: StartValues) -> Controls:
    with gr.Row(elem_classes=["dk-row"]):
        sampler = dropdown(tab, "sampler", [entry.name for entry in SAMPLERS], min_width=140)
        scheduler = dropdown(tab, "scheduler", [entry.label for entry in SCHEDULERS], min_width=140)
        steps = slider(tab, "steps", start.steps, min_width=180)
    return {"sampler": sampler, "scheduler": scheduler, "steps": steps}


def _guidance(tab: str, start: StartValues) -> Controls:
    if tab != "img2img":
        return {"cfg_scale": slider(tab, "cfg_scale", start.cfg_scale)}
    with gr.Row(elem_classes=["dk-row"]):
        text = slider(tab, "cfg_scale", start.cfg_scale, min_width=180)
        image = slider(tab, "image_cfg_scale", PAGE_IMAGE_CFG, min_width=180)
    return {"cfg_scale": text, "image_cfg_scale": image, "denoising_strength": slider(tab, "denoising_strength")}


def _seed_row(tab: str) -> Controls:
    with gr.Row(elem_classes=["dk-row", "dk-seed-row"], elem_id=f"{tab}_seed_row"):
        # A text box, because a browser's numbers cannot hold every seed of 64 bits.
        seed = gr.Textbox(str(default_of("seed")), label=title_of("seed"), max_lines=1, elem_id=f"{tab}_seed", min_width=120)
        dice = icon_button("Set seed to -1, a new one for every job", "dice", elem_id=f"{tab}_random_seed")
        reuse = icon_button("Reuse the seed of the picture that is shown", "recycle", elem_id=f"{tab}_reuse_seed")
        exact = gr.Checkbox(
            default_of("exact"),
            label=title_of("exact"),
            elem_id=element_id(tab, "exact"),
            elem_classes=["dk-exact"],
            scale=0,
            min_width=84,
        )
    dice.click(None, None, seed, js="() => '-1'", **QUIET)
    reuse.click(None, seed, seed, js=script(f"darkroom.shownSeed('{tab}') ?? values[0]"), **QUIET)
    return {"seed": seed, "exact": exact}
