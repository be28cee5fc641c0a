"""Scripts: which there are, and what a request's `script_name` and `alwayson_scripts` may name."""

from collections.abc import Mapping

from fastapi import APIRouter

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.requests import GenerationRequest
from app.schema.errors import InvalidParams, NotSupported, shown

ALWAYS_ON = ("refiner", "sampler", "seed")
"""A1111 lists these parts of its page as scripts; requests may name them, and there too they change nothing."""
_ELSEWHERE = frozenset(
    {
        "img2img alternative test",
        "loopback",
        "outpainting mk2",
        "poor man's outpainting",
        "prompt matrix",
        "prompts from file or textbox",
        "sd upscale",
        "x/y/z plot",
    }
)
"""Selectable scripts that A1111 comes with and that are not here yet."""


def check_scripts(request: GenerationRequest) -> None:
    """FourKeyError (422) for an unknown script and for a selectable one among the always-on ones, as A1111 answers."""
    for name, given in (request.alwayson_scripts or {}).items():
        known = name.lower()
        if known in _ELSEWHERE:
            raise FourKeyError(422, detail="Cannot have a selectable script in the always on scripts params")
        if known not in ALWAYS_ON:
            raise FourKeyError(422, detail=f"Script '{shown(name)}' not found")
        if not isinstance(given, Mapping) or not isinstance(given.get("args", []), list):
            raise InvalidParams(f'alwayson_scripts: {shown(name)!r} should be {{"args": [...]}}.')
    if request.script_name:
        if request.script_name.lower() not in _ELSEWHERE:
            raise FourKeyError(422, detail=f"Script '{shown(request.script_name)}' not found")
        raise NotSupported(f"Script {request.script_name!r} is not there yet; leave script_name out.")


def script_routes() -> APIRouter:
    """GET scripts and script-info."""
    router = APIRouter()

    @router.get("/scripts")
    async def scripts() -> dict[str, list[str]]:
        """Names of the scripts that a request may name, for each kind of request."""
        return {"txt2img": list(ALWAYS_ON), "img2img": list(ALWAYS_ON)}

    @router.get("/script-info")
    async def script_info() -> list[dict[str, object]]:
        """The scripts and their arguments: txt2img's first, then img2img's."""
        return [
            {"name": name, "is_alwayson": True, "is_img2img": is_img2img, "args": []} for is_img2img in (False, True) for name in ALWAYS_ON
        ]

    return router
