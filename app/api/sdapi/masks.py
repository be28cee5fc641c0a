"""A request's mask and what it says about it."""

from collections.abc import Mapping
from typing import Any

from app.api.sdapi.pictures import store_mask
from app.api.sdapi.requests import Img2ImgRequest
from app.api.sdapi.scripts import SOFT_INPAINTING
from app.jobs import Inputs
from app.metadata.shown_inpaint import SOFT
from app.schema.errors import InvalidParams


def mask_values(inputs: Inputs, request: Img2ImgRequest) -> dict[str, object]:
    """Fields of GenerationParams; none without a mask. FourKeyError for a mask that is no picture."""
    if not request.mask:
        return {}
    both = request.mask_blur
    values: dict[str, object] = {
        "mask_blur_x": request.mask_blur_x if both is None else both,
        "mask_blur_y": request.mask_blur_y if both is None else both,
        "inpainting_fill": request.inpainting_fill,
        "inpaint_full_res": request.inpaint_full_res,
        "inpaint_full_res_padding": request.inpaint_full_res_padding,
    }
    for name, value in values.items():
        if value is None:
            raise InvalidParams(f"{name} may not be null; leave it out for its default.")
    cut = request.mask_round is not False
    return {
        **values,
        **soft_inpainting_values(request),
        "inpainting_mask_invert": bool(request.inpainting_mask_invert),
        "mask_round": cut,
        "mask": store_mask(inputs, request.mask, cut=cut),
    }


def soft_inpainting_values(request: Img2ImgRequest) -> dict[str, object]:
    """Fields of GenerationParams from the arguments of the always-on script; those that are missing keep their defaults."""
    scripts: Mapping[str, Any] = request.alwayson_scripts or {}
    arguments: list[object] = next((script.get("args", []) for name, script in scripts.items() if name.lower() == SOFT_INPAINTING), [])
    if len(arguments) > len(SOFT):
        raise InvalidParams(f"alwayson_scripts: {SOFT_INPAINTING!r} takes {len(SOFT)} arguments at most, not {len(arguments)}.")
    return dict(zip(SOFT, arguments, strict=False))
