"""Puts the whole API on an application: routes, error answers, and what stands before every request."""

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.api.auth import Auth, Doors, login_router
from app.api.client import ClientCookie
from app.api.errors import install_error_handlers
from app.api.fallback import fallback_router
from app.api.json_body import sound_json
from app.api.metrics import metrics_routes
from app.api.own.routes import own_router
from app.api.sdapi.routes import sdapi_routers
from app.api.security import MAX_BODY_BYTES, BodyLimit, Guard, split_origins
from app.api.services import Services
from app.api.timing import ProcessTime
from app.schema.settings import ServerSettings


def install_api(app: FastAPI, services: Services) -> None:
    """Adds everything to `app`, before it has started and before the page is mounted at its root.

    Raises InvalidParams when a flag's credentials are not user:password.
    """
    doors = Doors.of(services.settings.gradio_auth, services.settings.api_auth)
    install_error_handlers(app)
    for router in (*sdapi_routers(services), own_router(services), metrics_routes(services)):
        app.include_router(router, dependencies=[Depends(sound_json)])
    if doors.page is not None:
        app.include_router(login_router(doors))
    app.include_router(fallback_router(app))
    _install_middleware(app, services.settings, doors)


def _install_middleware(app: FastAPI, settings: ServerSettings, doors: Doors) -> None:
    """The one added last sees a request first. All are plain ASGI, so that streams stay streams."""
    origins = split_origins(settings.cors_allow_origins)
    app.add_middleware(ClientCookie)
    app.add_middleware(BodyLimit, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(Auth, doors=doors)
    # Outside Auth: a browser asks for leave (OPTIONS) without credentials. It is there without origins too, to refuse all that ask, and
    # because Gradio, which would let any page in where Host is a public name, leaves CORS to it.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=bool(origins) and "*" not in origins,
        expose_headers=["X-Job-Id", "X-Process-Time", "X-Preview-Number"],
    )
    app.add_middleware(ProcessTime)
    app.add_middleware(Guard, public=settings.public, origins=origins)
