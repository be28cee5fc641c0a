"""POST /sdapi/v1/png-info: what a picture says about itself."""

from fastapi import APIRouter

from app.api.sdapi.pictures import read_base64
from app.api.sdapi.requests import PngInfoRequest
from app.api.services import Services
from app.metadata import parse_infotext


def png_info_routes(services: Services) -> APIRouter:
    """Reading pictures."""
    router = APIRouter()

    @router.post("/png-info")
    def png_info(request: PngInfoRequest) -> dict[str, object]:
        """The picture's infotext, its other texts, and the infotext's fields with A1111's defaults added."""
        record = read_base64(request.image)
        return {"info": record.text, "items": dict(record.items), "parameters": parse_infotext(record.infotext, services.styles.list())}

    return router
