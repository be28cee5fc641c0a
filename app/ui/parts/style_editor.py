"""The dialog that edits styles.csv: name a style, write its texts, save or delete it, write the chosen ones into the prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from app.prompt import Style, Styles
from app.schema.errors import DarkroomError, InvalidParams
from app.ui.parts.events import QUIET, script
from app.ui.parts.fields import icon_button
from app.ui.parts.submit import Answer


@dataclass(frozen=True)
class StyleEditor:
    """One generation tab's dialog."""

    panel: gr.Column
    name: gr.Dropdown
    prompt: gr.Textbox
    negative: gr.Textbox
    save: gr.Button
    delete: gr.Button
    copy: gr.Button
    apply: gr.Button
    close: gr.Button

    @property
    def fields(self) -> list[Component]:
        """What a style is made of."""
        return [self.name, self.prompt, self.negative]


def build_style_editor(tab: str) -> StyleEditor:
    """Lays out the dialog, closed; its ids are A1111's."""
    with gr.Column(visible=False, elem_id=f"{tab}_styles_dialog", elem_classes=["dk-style-editor"]) as panel:
        with gr.Row(elem_classes=["dk-row"]):
            name = gr.Dropdown(
                [],
                value=None,
                label="Style",
                info="Choose one, or type the name of a new one.",
                allow_custom_value=True,
                elem_id=f"{tab}_styles_edit_select",
            )
            copy = icon_button("Take the texts of the prompt boxes", "paste", elem_id=f"{tab}_style_copy")
        hint = "{prompt} is the place of what stands in the box; without it the style goes behind it."
        prompt = gr.Textbox("", label="Prompt", info=hint, lines=3, max_lines=12, elem_id=f"{tab}_edit_style_prompt")
        negative = gr.Textbox("", label="Negative prompt", lines=3, max_lines=12, elem_id=f"{tab}_edit_style_neg_prompt")
        with gr.Row(elem_classes=["dk-row", "dk-style-buttons"]):
            save = gr.Button("Save", variant="primary", elem_id=f"{tab}_edit_style_save", min_width=80)
            delete = gr.Button("Delete", elem_id=f"{tab}_edit_style_delete", min_width=80)
            apply = gr.Button("Write into the prompts", elem_id=f"{tab}_style_apply_dialog", min_width=120)
            close = gr.Button("Close", elem_id=f"{tab}_edit_style_close", min_width=80)
    return StyleEditor(panel, name, prompt, negative, save, delete, copy, apply, close)


Handle = Callable[..., Any]
"""(listener, handler, inputs, outputs): connects a handler whose answer is told on the page; gives the event back."""


def wire_style_editor(editor: StyleEditor, opener: gr.Button, chosen: Sequence[gr.Dropdown], styles: Styles, handle: Handle) -> None:
    """Connects the dialog; `chosen` are the dropdowns of chosen styles of all tabs, its own tab's first."""

    def opened(now: list[str] | None) -> list[Any]:
        known = {style.name: style for style in styles.list()}
        first = known.get(now[0]) if now else None
        texts = first or Style("")
        shown = gr.update(choices=list(known), value=texts.name or None)
        return [gr.update(visible=True), shown, texts.prompt, texts.negative_prompt, Answer().as_json()]

    def picked(name: str | None) -> list[Any]:
        style = next((style for style in styles.list() if style.name == _text(name)), None)
        texts = [gr.skip(), gr.skip()] if style is None else [style.prompt, style.negative_prompt]
        return [*texts, Answer().as_json()]

    def saved(name: str | None, prompt: str | None, negative: str | None, *now: list[str] | None) -> list[Any]:
        style = Style(_text(name).strip(), _text(prompt), _text(negative))
        styles.save(style)
        note = Answer(notes=(f"The style {style.name} is saved.",)).as_json()
        return [gr.update(choices=_names(styles), value=style.name), *_choices(styles, now), note]

    def deleted(name: str | None, *now: list[str] | None) -> list[Any]:
        if _text(name) not in _names(styles):
            raise InvalidParams("Choose the style that is to be deleted.")
        styles.delete(_text(name))
        note = Answer(notes=(f"The style {name} is deleted.",)).as_json()
        return [gr.update(choices=_names(styles), value=None), "", "", *_choices(styles, now), note]

    event = handle(opener.click, opened, [chosen[0]], [editor.panel, *editor.fields])
    event.then(None, None, None, js=script(f"darkroom.styleEditorOpened('{editor.panel.elem_id}')"), **QUIET)
    handle(editor.name.input, picked, [editor.name], [editor.prompt, editor.negative])
    handle(editor.save.click, saved, [*editor.fields, *chosen], [editor.name, *chosen])
    handle(editor.delete.click, deleted, [editor.name, *chosen], [*editor.fields, *chosen])
    editor.close.click(None, None, editor.panel, js="() => ({ __type__: 'update', visible: false })", **QUIET)


def _choices(styles: Styles, now: Sequence[list[str] | None]) -> list[Any]:
    """The dropdowns of chosen styles after a change; those that are gone are chosen no more."""
    names = _names(styles)
    return [gr.update(choices=names, value=[name for name in chosen or [] if name in names]) for chosen in now]


def _names(styles: Styles) -> list[str]:
    try:
        return [style.name for style in styles.list()]
    except DarkroomError:
        return []


def _text(value: object) -> str:
    """A browser's value as a text; InvalidParams for what is none."""
    if not isinstance(value, str | None):
        raise InvalidParams("A style's name and prompts should be texts.")
    return value or ""
