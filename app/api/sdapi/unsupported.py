"""What A1111 can do and Darkroom cannot yet: refused with the reason unless it is asked for at its neutral value."""

from collections.abc import Iterator

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.pictures import check_mask
from app.api.sdapi.requests import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from app.api.sdapi.upscale import UPSCALERS
from app.models import Catalog
from app.schema.errors import NotSupported, UnknownName

LATENT_MODES = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
"""A1111's ways of enlarging latents; known by name here, so that a misspelt one is told apart."""
LATENT_RESIZE = 3
"""`resize_mode` of img2img that enlarges latents."""


def refuse_unsupported(request: GenerationRequest, catalog: Catalog) -> None:
    """NotSupported, one sentence a thing; FourKeyError (500) where A1111 answers an unknown upscaler or refiner so."""
    _check_names(request, catalog)
    reasons = [*_common(request), *(_img2img(request) if isinstance(request, Img2ImgRequest) else _txt2img(request))]
    if reasons:
        raise NotSupported(" ".join(reasons))


def _check_names(request: GenerationRequest, catalog: Catalog) -> None:
    if isinstance(request, Txt2ImgRequest) and request.enable_hr and request.hr_upscaler not in (None, *LATENT_MODES, *UPSCALERS):
        raise FourKeyError(500, error="Exception", errors=f"could not find upscaler named {request.hr_upscaler}")
    refiner = request.refiner_checkpoint
    if refiner not in (None, "", "None"):
        try:
            catalog.find(str(refiner))
        except UnknownName as error:
            raise FourKeyError(500, error="Exception", errors=f"Could not find checkpoint with name {refiner}") from error
    if isinstance(request, Img2ImgRequest) and request.mask:
        check_mask(request.mask)


def _common(request: GenerationRequest) -> Iterator[str]:
    if request.refiner_checkpoint not in (None, "", "None") and request.refiner_switch_at != 1:
        yield "The refiner (refiner_checkpoint) is not there yet."
    if request.restore_faces:
        yield "restore_faces is not there yet; it must be false."
    if request.tiling:
        yield "tiling is not there yet; it must be false."


def _txt2img(request: Txt2ImgRequest) -> Iterator[str]:
    if request.enable_hr:
        yield "The hires fix (enable_hr) is not there yet."


def _img2img(request: Img2ImgRequest) -> Iterator[str]:
    if request.mask:
        yield "Inpainting (mask) is not there yet."
    if request.latent_mask:
        yield "latent_mask is not there yet."
    if request.resize_mode == LATENT_RESIZE:
        yield "resize_mode 3 (latent upscale) is not there yet."
    if request.initial_noise_multiplier not in (None, 1):
        yield "initial_noise_multiplier is not there yet; it must be 1."
