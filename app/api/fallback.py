"""Answers below the API's paths that no route has: the page, mounted at the root, would otherwise answer them its own way."""

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.api.scopes import API_PREFIXES

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def fallback_router(app: FastAPI) -> APIRouter:
    """404, or 405 where the path exists for another method; to be included after all other routes of the API."""
    router = APIRouter(include_in_schema=False)

    async def missing(http: Request) -> None:
        others = any(route.matches(http.scope)[0] is Match.PARTIAL for route in app.router.routes)
        raise HTTPException(405 if others else 404)

    for prefix in API_PREFIXES:
        router.add_api_route(f"{prefix}/{{rest:path}}", missing, methods=_METHODS, response_model=None)
    return router
