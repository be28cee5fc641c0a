"""POST /sdapi/v1/extra-single-image and extra-batch-images: enlarging without a model."""

from anyio import to_thread
from fastapi import APIRouter

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.pictures import encode_base64, open_base64
from app.api.sdapi.requests import ExtraBatchRequest, ExtraSingleRequest
from app.api.services import Services
from app.api.upscale import Upscale, encoded
from app.jobs import OptionsView
from app.schema.errors import NotSupported, TooLarge, shown
from app.schema.upscalers import IMAGE_UPSCALERS, NO_UPSCALER

TO_SIZE = 1
"""`resize_mode` that reaches a size instead of a factor."""
MAX_BATCH = 256
MAX_BATCH_CHARS = 512 * 1024 * 1024
"""Of all results of a batch in base64, which are held until the last one is done."""


def extras_routes(services: Services) -> APIRouter:
    """A1111's Extras tab."""
    router = APIRouter()

    @router.post("/extra-single-image")
    async def extra_single_image(request: ExtraSingleRequest) -> dict[str, str]:
        """Enlarges one picture."""
        wanted, options = _checked(request), services.options.view()
        image = await to_thread.run_sync(_upscaled, request.image, wanted, options, limiter=services.enlarging)
        return {"html_info": f"<p>{wanted.info()}</p>", "image": image}

    @router.post("/extra-batch-images")
    async def extra_batch_images(request: ExtraBatchRequest) -> dict[str, object]:
        """Enlarges several pictures; TooLarge for more than MAX_BATCH of them, or more than MAX_BATCH_CHARS of results."""
        wanted, options = _checked(request), services.options.view()
        if len(request.imageList) > MAX_BATCH:
            raise TooLarge(f"There are {len(request.imageList)} pictures; the limit is {MAX_BATCH} at a time.")
        images: list[str] = []
        for picture in request.imageList:
            images.append(await to_thread.run_sync(_upscaled, picture.data, wanted, options, limiter=services.enlarging))
            if sum(map(len, images)) > MAX_BATCH_CHARS:
                raise TooLarge(f"The results are larger than {MAX_BATCH_CHARS // 1024**2} MB together; send fewer pictures at a time.")
        return {"html_info": f"<p>{wanted.info() if images else ''}</p>", "images": images}

    return router


def _checked(request: ExtraSingleRequest | ExtraBatchRequest) -> Upscale:
    """FourKeyError (500) for an unknown upscaler as A1111 answers; NotSupported for face restoration."""
    names = [name or NO_UPSCALER for name in (request.upscaler_1, request.upscaler_2)]
    for name in names:
        if name not in IMAGE_UPSCALERS:
            raise FourKeyError(500, error="AssertionError", errors=f"could not find upscaler named {shown(name)}")
    if request.gfpgan_visibility or request.codeformer_visibility:
        raise NotSupported("Face restoration (gfpgan_visibility, codeformer_visibility) is not there yet; both must be 0.")
    to_size = request.resize_mode == TO_SIZE
    return Upscale(
        factor=request.upscaling_resize,
        size=(request.upscaling_resize_w, request.upscaling_resize_h) if to_size else None,
        crop=request.upscaling_crop is not False,
        first=names[0],
        second=names[1],
        second_share=request.extras_upscaler_2_visibility,
    )


def _upscaled(text: str | None, wanted: Upscale, options: OptionsView) -> str:
    picture, record = open_base64(text)
    return encode_base64(encoded(wanted.apply(picture), record, wanted.info(), options, ("postprocessing",))[0])
