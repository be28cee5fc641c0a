"""POST /sdapi/v1/img2img."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.idempotency import IdempotencyKey
from app.api.sdapi.generate import generate
from app.api.sdapi.requests import Img2ImgRequest
from app.api.services import Services


def img2img_routes(services: Services) -> APIRouter:
    """Pictures to pictures."""
    router = APIRouter()

    @router.post("/img2img", response_model=None)
    async def img2img(request: Img2ImgRequest, http: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Makes pictures from pictures and answers when they are done, as txt2img does."""
        return await generate(services, http, request, idempotency_key)

    return router
