"""All of Darkroom's own routes put together."""

from fastapi import APIRouter

from app.api.own.downloads import download_routes
from app.api.own.events import event_routes
from app.api.own.extras import extras_routes
from app.api.own.facts import fact_routes
from app.api.own.gallery import gallery_routes
from app.api.own.gallery_files import gallery_file_routes
from app.api.own.inputs import input_routes
from app.api.own.jobs import job_routes
from app.api.own.model_cards import model_card_routes
from app.api.own.model_jobs import model_job_routes
from app.api.own.models import model_routes
from app.api.own.pictures import picture_routes
from app.api.own.queue import queue_routes
from app.api.services import Services


def own_router(services: Services) -> APIRouter:
    """/api/v1."""
    router = APIRouter(prefix="/api/v1")
    topics = (
        job_routes,
        queue_routes,
        event_routes,
        picture_routes,
        input_routes,
        download_routes,
        model_job_routes,
        model_routes,
        model_card_routes,
        fact_routes,
        gallery_routes,
        gallery_file_routes,
        extras_routes,
    )
    for topic in topics:
        router.include_router(topic(services))
    return router
