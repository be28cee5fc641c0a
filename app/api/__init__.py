"""The HTTP API: A1111's `/sdapi/v1` (package `sdapi`), Darkroom's own `/api/v1` (package `own`), and what guards both.

Knows jobs, metadata, prompt and models; never the engine's rooms, never torch. `install_api(app, services)` puts everything on a
FastAPI application; `Services` is what it needs, `client_of(request)` says whose jobs a request may see, `user_of(request)` who has signed
in. Routes translate and nothing more: errors become answers in `errors.py`.
"""

from app.api.client import client_of, user_of
from app.api.install import install_api
from app.api.services import Services

__all__ = ["Services", "client_of", "install_api", "user_of"]
