"""Who asks: a random cookie names a browser, so that its jobs are its own; programs without one are `api`."""

import re
import secrets

from starlette.requests import HTTPConnection, cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.scopes import API_PREFIXES, header_of, is_below, path_of

COOKIE = "darkroom_client"
API_CLIENT = "api"
"""Owner of jobs that come without a cookie."""
USER_STATE = "darkroom_user"
_STATE = "darkroom_client"
_ID = re.compile(r"[0-9a-f]{32}")
_YEAR_S = 365 * 24 * 3600


class ClientCookie:
    """Reads the browser's id into the request's state; a browser that opens a page for the first time is given one (128 bits)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with `client_of` known."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        client = _cookie_of(scope)
        if client is None and _opens_a_page(scope):
            client = secrets.token_hex(16)
            send = _setting(send, client, secure=scope["scheme"] == "https")
        scope.setdefault("state", {})[_STATE] = client or API_CLIENT
        await self.app(scope, receive, send)


def client_of(request: HTTPConnection) -> str:
    """Whose jobs this request may see and stop."""
    return str(request.scope.get("state", {}).get(_STATE, API_CLIENT))


def user_of(request: HTTPConnection) -> str:
    """The name that whoever asks has signed in with; empty where no name is needed."""
    return str(request.scope.get("state", {}).get(USER_STATE, ""))


def cookie_value(header: str | None, name: str) -> str | None:
    """One cookie out of a Cookie header; None where it is missing."""
    return cookie_parser(header or "").get(name)


def _cookie_of(scope: Scope) -> str | None:
    value = cookie_value(header_of(scope, b"cookie"), COOKIE)
    return value if value and _ID.fullmatch(value) else None


def _opens_a_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or is_below(path_of(scope), API_PREFIXES):
        return False
    return "text/html" in (header_of(scope, b"accept") or "")


def _setting(send: Send, client: str, *, secure: bool) -> Send:
    value = f"{COOKIE}={client}; Path=/; Max-Age={_YEAR_S}; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", value.encode("latin-1"))]}
        await send(message)

    return wrapped
