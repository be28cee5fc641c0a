"""What every handler of the page's events has around it: values of the right kinds go in, and whatever goes wrong is one sentence."""

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gradio as gr
from gradio.components import Component

from app.schema.errors import DarkroomError, InvalidParams
from app.ui.parts.submit import Answer

log = logging.getLogger(__name__)

Handler = Callable[..., Any]

_INTERNAL = "Something went wrong inside Darkroom. The log says what."
_KINDS: tuple[tuple[type[Component], type | tuple[type, ...], str], ...] = (
    (gr.Textbox, str, "a text"),
    (gr.Checkbox, bool, "on or off"),
    (gr.Slider, (int, float), "a number"),
    (gr.Number, (int, float), "a number"),
)


def answering(handler: Handler, inputs: Sequence[Component], outputs: Sequence[Component]) -> Handler:
    """The handler, whose last output carries an `Answer`: an error becomes that answer's sentence, the other outputs stay as they are."""

    @wraps(handler)
    def guarded(*given: Any) -> Any:
        # Gradio may put the request before the values, and a handler's own defaults behind them.
        values = given[1:] if given and isinstance(given[0], gr.Request) else given
        try:
            for component, value in zip(inputs, values, strict=False):
                _check_kind(component, value)
            return handler(*given)
        except DarkroomError as error:
            told = str(error)
        except Exception:  # nothing may reach the page as a traceback or as nothing at all
            log.exception("the handler %s failed", handler.__name__)
            told = _INTERNAL
        answer = Answer(error=told).as_json()
        return answer if len(outputs) == 1 else [*[gr.skip()] * (len(outputs) - 1), answer]

    return guarded


def _check_kind(component: Component, value: object) -> None:
    """InvalidParams for a value that the component never has; an empty field is None."""
    if value is None:
        return
    if isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", False):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidParams(f"{_name(component)} should be a list of texts.")
        return
    for kind, types, words in _KINDS:
        if isinstance(component, kind) and not (isinstance(value, types) and (types is bool or not isinstance(value, bool))):
            raise InvalidParams(f"{_name(component)} should be {words}.")


def _name(component: Component) -> str:
    return getattr(component, "label", None) or "What the page sent"
