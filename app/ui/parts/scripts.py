"""The Script dropdown of a generation tab: each script's arguments as controls, made from its declaration."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from app.schema.errors import InvalidParams
from app.schema.params import Mode
from app.schema.scripts import ScriptCall
from app.scripts import Argument, Script, ScriptTable, ToldScript
from app.scripts.xyz_axes import axes_of
from app.ui.parts.events import QUIET, script
from app.ui.parts.html import element

NO_SCRIPT = "None"
PLOT = "x/y/z plot"
AS_TEXT = "as_text"
"""The page always has texts for a plot's values."""
CHOSEN = "script"
"""What the dropdown is called in a draft."""


@dataclass(frozen=True)
class ScriptControls:
    """The dropdown, and the controls of all scripts of a tab."""

    mode: Mode
    chosen: gr.Dropdown
    scripts: tuple[Script, ...]
    arguments: tuple[tuple[Argument, ...], ...]
    controls: tuple[tuple[Component | None, ...], ...]
    """Beside `arguments`; None for what the page does not ask."""

    @property
    def inputs(self) -> list[Component]:
        """What an event that starts a job reads."""
        return [self.chosen, *(control for _, _, control in self._shown())]

    @property
    def names(self) -> list[str]:
        """Beside `inputs`: what a draft calls them."""
        return [CHOSEN, *(_name(each, argument) for each, argument, _ in self._shown())]

    def updates(self, held: Mapping[str, object]) -> list[Any]:
        """Puts values, by the names that a draft has, into `inputs`; what a control cannot hold leaves it as it is."""
        titles = [NO_SCRIPT, *(each.title for each in self.scripts)]
        chosen = held.get(CHOSEN)
        values = [_update(argument, held.get(_name(each, argument))) for each, argument, _ in self._shown()]
        return [gr.update(value=chosen) if chosen in titles else gr.skip(), *values]

    def told(self, script: ToldScript | None) -> list[Any]:
        """The same for what a picture tells of its script; one without a script was made without any."""
        if script is None:
            return self.updates({CHOSEN: NO_SCRIPT})
        arguments = script.script.arguments(self.mode)
        held = {_name(script.script, argument): script.values[argument.name] for argument in arguments if argument.name in script.values}
        return self.updates({CHOSEN: script.script.title, **held})

    def _shown(self) -> Iterator[tuple[Script, Argument, Component]]:
        for each, arguments, controls in zip(self.scripts, self.arguments, self.controls, strict=True):
            for argument, control in zip(arguments, controls, strict=True):
                if control is not None:
                    yield each, argument, control

    def call(self, values: Sequence[Any]) -> ScriptCall | None:
        """The call that the values of `inputs` mean; None without a script."""
        chosen, *given = values
        waiting = iter(given)
        for script_, arguments, controls in zip(self.scripts, self.arguments, self.controls, strict=True):
            told = tuple(
                _unasked(argument) if control is None else next(waiting) for argument, control in zip(arguments, controls, strict=True)
            )
            if script_.title == chosen:
                return ScriptCall(name=script_.name, arguments=told)
        return None


def build_scripts(tab: Mode, table: ScriptTable) -> ScriptControls:
    """Lays them out; static/js/scripts.js shows the chosen script's."""
    scripts = table.of(tab)
    chosen = gr.Dropdown([NO_SCRIPT, *(each.title for each in scripts)], value=NO_SCRIPT, label="Script", elem_id=f"{tab}_script_list")
    arguments = tuple(each.arguments(tab) for each in scripts)
    controls = tuple(_script(tab, each, declared) for each, declared in zip(scripts, arguments, strict=True))
    chosen.change(None, chosen, None, js=script(f"darkroom.showScript('{tab}', values[0])"), **QUIET)
    return ScriptControls(tab, chosen, scripts, arguments, controls)


def is_script_name(name: str) -> bool:
    """Whether a draft's entry is of the Script dropdown or its controls."""
    return name == CHOSEN or name.startswith(f"{CHOSEN}/")


def _name(script_: Script, argument: Argument) -> str:
    return f"{CHOSEN}/{script_.name}/{argument.name}"


def _update(argument: Argument, held: object) -> Any:
    if held is None:
        return gr.skip()
    try:
        value = argument.read(held)
    except InvalidParams:
        return gr.skip()  # an older page may have written it
    return gr.update(value=list(value) if isinstance(value, tuple) else value)


def _script(tab: Mode, each: Script, arguments: Sequence[Argument]) -> tuple[Component | None, ...]:
    prefix = f"{tab}_script_{''.join(letter if letter.isalnum() else '_' for letter in each.name)}"
    with gr.Column(elem_id=prefix, elem_classes=["dk-script"]):
        # So that our scripts find the box of a script by its title.
        element("dk-script-name", classes=("dk-hidden",), title=each.title)
        if each.name == PLOT:
            element("dk-axis-values", tab=prefix, values=json.dumps({axis.label: axis.choices for axis in axes_of(tab) if axis.choices}))
        return tuple(_control(f"{prefix}_{argument.name}", argument) for argument in arguments)


def _control(elem_id: str, argument: Argument) -> Component | None:
    common: dict[str, Any] = {"label": argument.label, "elem_id": elem_id}
    match argument.kind:
        case "note":
            gr.Markdown(str(argument.default), elem_classes=["dk-hint"])
            return None
        case "switch":
            return None if argument.name == AS_TEXT else gr.Checkbox(bool(argument.default), **common)
        case "whole" | "number":
            return gr.Slider(argument.minimum or 0, argument.maximum, value=argument.default, step=argument.step, buttons=[], **common)
        case "text":
            return gr.Textbox(
                str(argument.default),
                lines=argument.lines,
                max_lines=max(argument.lines, 20),
                info=argument.info or None,
                elem_classes=["dk-wide"] if argument.lines > 1 else None,
                **common,
            )
        case "choice" | "index":
            return gr.Dropdown(list(argument.choices or ()), value=str(argument.default), **common)
        case "choices":
            if argument.choices is None:
                return None
            return gr.CheckboxGroup(list(argument.choices), value=list(argument.default or ()), **common)  # type: ignore[arg-type]  # a list where several may be chosen


def _unasked(argument: Argument) -> Any:
    """What a request says where the page has no control."""
    return True if argument.name == AS_TEXT else () if argument.kind == "choices" else None
