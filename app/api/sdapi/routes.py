"""All of A1111's routes put together."""

from fastapi import APIRouter

from app.api.sdapi.extras import extras_routes
from app.api.sdapi.img2img import img2img_routes
from app.api.sdapi.lists import list_routes
from app.api.sdapi.misc import misc_routes
from app.api.sdapi.models import model_routes
from app.api.sdapi.options import option_routes
from app.api.sdapi.png_info import png_info_routes
from app.api.sdapi.progress import internal_routes, progress_routes
from app.api.sdapi.scripts import script_routes
from app.api.sdapi.txt2img import txt2img_routes
from app.api.services import Services


def sdapi_routers(services: Services) -> tuple[APIRouter, ...]:
    """/sdapi/v1 and /internal."""
    # A1111 reads JSON without a content type; the check of Origin is what keeps other pages out.
    sdapi = APIRouter(prefix="/sdapi/v1", tags=["A1111"], strict_content_type=False)
    topics = (txt2img_routes, img2img_routes, png_info_routes, progress_routes, option_routes, list_routes, model_routes)
    for topic in (*topics, extras_routes, misc_routes, script_routes):
        sdapi.include_router(topic(services))
    internal = APIRouter(prefix="/internal", tags=["A1111"], strict_content_type=False)
    internal.include_router(internal_routes(services))
    return sdapi, internal
