"""Scripts: which there are, and what a request's `script_name` and `alwayson_scripts` may name."""

from collections.abc import Mapping

from fastapi import APIRouter

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.requests import GenerationRequest, Txt2ImgRequest
from app.schema.errors import InvalidParams, NotSupported, shown

SOFT_INPAINTING = "soft inpainting"
ALWAYS_ON = ("refiner", "sampler", "seed")
"""A1111 lists these parts of its page as scripts; requests may name them, and there too they change nothing."""
_SOFT_ARGUMENTS = [
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
        if known not in (ALWAYS_ON if isinstance(request, Txt2ImgRequest) else (SOFT_INPAINTING, *ALWAYS_ON)):
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
        return {"txt2img": list(ALWAYS_ON), "img2img": [SOFT_INPAINTING, *ALWAYS_ON]}

    @router.get("/script-info")
    async def script_info() -> list[dict[str, object]]:
        """The scripts and their arguments: txt2img's first, then img2img's."""
        always = [(name, is_img2img) for is_img2img in (False, True) for name in ((SOFT_INPAINTING,) if is_img2img else ()) + ALWAYS_ON]
        return [
            {"name": name, "is_alwayson": True, "is_img2img": is_img2img, "args": _SOFT_ARGUMENTS if name == SOFT_INPAINTING else []}
            for name, is_img2img in always
        ]

    return router
