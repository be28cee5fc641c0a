"""Scripts: which there are, and what a request's `script_name` and `alwayson_scripts` may name."""

from collections.abc import Iterator, Mapping

from fastapi import APIRouter

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.requests import GenerationRequest, Txt2ImgRequest
from app.api.services import Services
from app.schema.errors import InvalidParams, shown
from app.schema.params import Mode
from app.schema.scripts import MAX_ARGUMENTS, ScriptCall
from app.scripts import Argument, ScriptTable

MODES: tuple[Mode, ...] = ("txt2img", "img2img")

SOFT_INPAINTING = "soft inpainting"
ALWAYS_ON = ("refiner", "sampler", "seed")
"""A1111 lists these parts of its page as scripts; requests may name them, and there too they change nothing."""
_SOFT_ARGUMENTS: list[dict[str, object]] = [
    {"label": label, "value": value, "minimum": low, "maximum": high, "step": step, "choices": None}
    for label, value, low, high, step in (
        ("Soft inpainting", False, None, None, None),
        ("Schedule bias", 1, 0, 8, 0.1),
        ("Preservation strength", 0.5, 0, 8, 0.05),
        ("Transition contrast boost", 4, 1, 32, 0.5),
        ("Mask influence", 0, 0, 1, 0.05),
        ("Difference threshold", 0.5, 0, 8, 0.25),
        ("Difference contrast", 2, 0, 8, 0.25),
    )
]
"""What A1111's page offers for its soft inpainting; requests may go beyond."""
_NUMBERS = ("whole", "number")


def check_scripts(request: GenerationRequest, table: ScriptTable) -> None:
    """FourKeyError (422) for an unknown script and for a selectable one among the always-on ones, as A1111 answers."""
    for name, given in (request.alwayson_scripts or {}).items():
        known = name.lower()
        if table.find(known) is not None:
            raise FourKeyError(422, detail="Cannot have a selectable script in the always on scripts params")
        if known not in _always_on("txt2img" if isinstance(request, Txt2ImgRequest) else "img2img"):
            raise FourKeyError(422, detail=f"Script '{shown(name)}' not found")
        if not isinstance(given, Mapping) or not isinstance(given.get("args", []), list):
            raise InvalidParams(f'alwayson_scripts: {shown(name)!r} should be {{"args": [...]}}.')


def script_call(request: GenerationRequest, mode: Mode, table: ScriptTable) -> ScriptCall | None:
    """The script that the request runs, if any; FourKeyError (422) for an unknown one, InvalidParams for too many arguments."""
    if not request.script_name:
        return None
    script = table.find(request.script_name, mode)
    if script is None:
        raise FourKeyError(422, detail=f"Script '{shown(request.script_name)}' not found")
    arguments = tuple(request.script_args or ())
    if len(arguments) > MAX_ARGUMENTS:
        raise InvalidParams(f"script_args: {len(arguments)} arguments are more than any script takes.")
    return ScriptCall(name=script.name, arguments=arguments)


def script_routes(services: Services) -> APIRouter:
    """GET scripts and script-info."""
    router, table = APIRouter(), services.jobs.scripts

    @router.get("/scripts")
    async def scripts() -> dict[str, list[str]]:
        """Names of the scripts that a request may name, for each kind of request."""
        return {mode: [*(script.name for script in table.of(mode)), *_always_on(mode)] for mode in MODES}

    @router.get("/script-info")
    async def script_info() -> list[dict[str, object]]:
        """The scripts and their arguments: txt2img's first, then img2img's."""
        return [
            {"name": name, "is_alwayson": always, "is_img2img": mode == "img2img", "args": arguments}
            for mode in MODES
            for name, always, arguments in _listed(mode, table)
        ]

    return router


def _always_on(mode: Mode) -> tuple[str, ...]:
    return ALWAYS_ON if mode == "txt2img" else (SOFT_INPAINTING, *ALWAYS_ON)


def _listed(mode: Mode, table: ScriptTable) -> Iterator[tuple[str, bool, list[dict[str, object]]]]:
    """(name, whether it is always on, its arguments)."""
    for script in table.of(mode):
        yield script.name, False, [_told(argument) for argument in script.arguments(mode)]
    for name in _always_on(mode):
        yield name, True, _SOFT_ARGUMENTS if name == SOFT_INPAINTING else []


def _told(argument: Argument) -> dict[str, object]:
    """An argument as A1111 describes the control that it has for it."""
    is_slider = argument.kind in _NUMBERS
    choices: tuple[str, ...] | None = () if argument.kind == "choices" and argument.choices is None else argument.choices
    value = argument.default if argument.kind != "choices" or argument.choices is not None else None
    return {
        "label": argument.label,
        "value": list(value) if isinstance(value, tuple) else value,
        "minimum": argument.minimum if is_slider else None,
        "maximum": argument.maximum if is_slider else None,
        "step": argument.step if is_slider else None,
        "choices": None if choices is None else list(choices),
    }
