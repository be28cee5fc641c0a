"""Answers below the API's paths that no route has: the page, mounted at the root, would otherwise answer them its own way."""

from fastapi import APIRouter, FastAPI
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.api.scopes import API_PREFIXES

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def fallback_router(app: FastAPI) -> APIRouter:
    """404, or 405 where the path exists for another method; to be included after all other routes of the API."""
    router = APIRouter(include_in_schema=False)

    class Missing(HTTPEndpoint):
        """Of every method, those that HTTP does not know included."""

        async def dispatch(self) -> None:
            others = any(route.matches(self.scope)[0] is Match.PARTIAL for route in app.router.routes)
            raise HTTPException(405 if others or self.scope["method"] not in _METHODS else 404)

    for prefix in API_PREFIXES:
        router.routes.append(Route(f"{prefix}/{{rest:path}}", Missing, include_in_schema=False))
    return router
