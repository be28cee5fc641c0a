"""POST /sdapi/v1/txt2img."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.idempotency import IdempotencyKey
from app.api.sdapi.generate import generate
from app.api.sdapi.requests import Txt2ImgRequest
from app.api.services import Services


def txt2img_routes(services: Services) -> APIRouter:
    """Text to pictures."""
    router = APIRouter()

    @router.post("/txt2img", response_model=None)
    async def txt2img(request: Txt2ImgRequest, http: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Makes pictures from text and answers when they are done: `images` (base64), `parameters`, `info` (a JSON text)."""
        return await generate(services, http, request, idempotency_key)

    return router
