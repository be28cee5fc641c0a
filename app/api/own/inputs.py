"""Pictures and masks to start from: stored, and given back."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from app.api.services import Services

InputId = Annotated[str, Path(max_length=100)]
_FOR_EVER = "private, max-age=31536000, immutable"


def input_routes(services: Services) -> APIRouter:
    """/api/v1/inputs. An id is made from what the picture shows: whoever knows it has seen it."""
    router = APIRouter(tags=["pictures"])

    @router.get("/inputs/{name}", response_class=Response)
    def stored(name: InputId) -> Response:
        """A stored picture or mask as a PNG file; it never changes."""
        return Response(services.inputs.file(name), media_type="image/png", headers={"Cache-Control": _FOR_EVER, "ETag": f'"{name}"'})

    return router
