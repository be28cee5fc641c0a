"""What A1111 can do and Darkroom cannot yet: refused with the reason unless it is asked for at its neutral value."""

from collections.abc import Iterator

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.requests import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from app.models import Catalog
from app.schema.errors import NotSupported, UnknownName, shown
from app.schema.upscalers import IMAGE_UPSCALERS, LATENT_UPSCALERS

NO_CHECKPOINT = ("", "None", "Use same checkpoint")
"""What A1111 takes for no checkpoint, for the refiner and for the hires pass."""


def refuse_unsupported(request: GenerationRequest, catalog: Catalog) -> None:
    """NotSupported, one sentence a thing; FourKeyError (500) where A1111 answers an unknown upscaler or checkpoint so."""
    _check_names(request, catalog)
    reasons = [*_common(request), *(_img2img(request) if isinstance(request, Img2ImgRequest) else ())]
    if reasons:
        raise NotSupported(" ".join(reasons))


def _check_names(request: GenerationRequest, catalog: Catalog) -> None:
    if isinstance(request, Txt2ImgRequest) and request.enable_hr:
        if request.hr_upscaler not in (None, *LATENT_UPSCALERS, *IMAGE_UPSCALERS):
            raise FourKeyError(500, error="Exception", errors=f"could not find upscaler named {shown(str(request.hr_upscaler))}")
        _check_checkpoint(request.hr_checkpoint_name, catalog)
    _check_checkpoint(request.refiner_checkpoint, catalog)


def _check_checkpoint(name: str | None, catalog: Catalog) -> None:
    if name in (None, *NO_CHECKPOINT):
        return
    try:
        catalog.find(str(name))
    except UnknownName as error:
        raise FourKeyError(500, error="Exception", errors=f"Could not find checkpoint with name {shown(str(name))}") from error


def _common(request: GenerationRequest) -> Iterator[str]:
    if request.restore_faces:
        yield "restore_faces is not there yet; it must be false."


def _img2img(request: Img2ImgRequest) -> Iterator[str]:
    if request.latent_mask:
        yield "latent_mask is not there; send the mask in mask."
