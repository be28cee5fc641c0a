"""Names and passwords: --api-auth for programs (HTTP Basic), --gradio-auth for everything (a login page with a session, or Basic)."""

import binascii
import hashlib
import hmac
import secrets
import time
from base64 import b64decode
from dataclasses import dataclass
from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.client import USER_STATE, cookie_value
from app.api.scopes import API_PREFIXES, DOCS_PATHS, header_of, is_below, path_of, root_of
from app.schema.errors import InvalidParams

SESSION_COOKIE = "darkroom_session"
SESSION_S = 30 * 24 * 3600
_OPEN_PATHS = ("/healthz", "/login")


class Credentials:
    """Pairs of name and password, compared in constant time; their texts are not kept."""

    def __init__(self, given: str, flag: str) -> None:
        """`given`: user:password[,user:password]. Raises InvalidParams (which does not repeat it) for another form."""
        pairs = [pair.strip() for pair in given.replace("\n", ",").split(",") if pair.strip()]
        if not pairs or any(":" not in pair for pair in pairs):
            raise InvalidParams(f"{flag} wants user:password, several of them with commas between.")
        self._digests = tuple(hashlib.sha256(pair.encode()).digest() for pair in pairs)

    def accept(self, user: str, password: str) -> bool:
        """Whether one of the pairs is this one."""
        digest = hashlib.sha256(f"{user}:{password}".encode()).digest()
        # Every pair is compared, so the time tells nothing about which came near.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


class Sessions:
    """Login tokens: a time of expiry and a name, signed with a key that lives as long as the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def new(self, user: str) -> str:
        """A token by which `accept` knows this user for SESSION_S seconds."""
        said = f"{int(time.time()) + SESSION_S}.{user.encode().hex()}"
        return f"{said}.{self._sign(said)}"

    def accept(self, token: str | None) -> str | None:
        """Whose token it is; None unless it was made here and has not expired."""
        said, _, signature = (token or "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(said).encode()):
            return None
        expiry, _, user = said.partition(".")
        return bytes.fromhex(user).decode() if int(expiry) > time.time() else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Which credentials open what. `page` set: nothing is open but /healthz. `api` alone: only programs' routes ask."""

    page: Credentials | None
    api: Credentials | None
    sessions: Sessions

    @classmethod
    def of(cls, gradio_auth: str | None, api_auth: str | None) -> "Doors":
        """From the values of the two flags."""
        page = Credentials(gradio_auth, "--gradio-auth") if gradio_auth else None
        return cls(page=page, api=Credentials(api_auth, "--api-auth") if api_auth else None, sessions=Sessions())

    def admit(self, scope: Scope) -> str | None:
        """The name of who asks, empty where nobody needs one; None: the request may not pass."""
        path = path_of(scope)
        for_programs = is_below(path, API_PREFIXES) or path in DOCS_PATHS
        if path in _OPEN_PATHS or (self.page is None and (self.api is None or not is_below(path, API_PREFIXES))):
            return ""
        by_session = self.sessions.accept(cookie_value(header_of(scope, b"cookie"), SESSION_COOKIE)) if self.page is not None else None
        if by_session is not None:
            return by_session
        basic = _basic_of(scope)
        if basic is None:
            return None
        by_page = self.page is not None and self.page.accept(*basic)
        by_api = for_programs and self.api is not None and self.api.accept(*basic)
        return basic[0] if by_page or by_api else None


class Auth:
    """Asks for credentials where `Doors` wants them: 401 with Basic, or the login page for a browser that opens a page."""

    def __init__(self, app: ASGIApp, *, doors: Doors) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or ask who it is."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif (user := self.doors.admit(scope)) is not None:
            scope.setdefault("state", {})[USER_STATE] = user
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "Log in first."})
        else:
            await self._refusal(scope)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response:
        opens_a_page = scope["method"] == "GET" and "text/html" in (header_of(scope, b"accept") or "")
        if self.doors.page is not None and opens_a_page and _basic_of(scope) is None:
            return RedirectResponse(f"{root_of(scope)}/login", status_code=303)
        return JSONResponse(
            {"detail": "Incorrect username or password"}, status_code=401, headers={"WWW-Authenticate": 'Basic realm="Darkroom"'}
        )


def _basic_of(scope: Scope) -> tuple[str, str] | None:
    scheme, _, encoded = (header_of(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def login_router(doors: Doors) -> APIRouter:
    """GET and POST /login, for servers with --gradio-auth."""
    router = APIRouter(include_in_schema=False)
    page = doors.page
    assert page is not None, "a login page without credentials"

    @router.get("/login")
    async def show() -> HTMLResponse:
        return HTMLResponse(_form(""))

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        wants_page = "text/html" in request.headers.get("accept", "")
        user = str(form.get("username", ""))
        if not page.accept(user, str(form.get("password", ""))):
            told = "That name and password are not known here."
            return HTMLResponse(_form(told), status_code=401) if wants_page else JSONResponse({"detail": told}, status_code=401)
        root = root_of(request.scope)
        answer = RedirectResponse(f"{root}/", status_code=303) if wants_page else JSONResponse({"success": True})
        secure = request.url.scheme == "https"
        answer.set_cookie(SESSION_COOKIE, doors.sessions.new(user), max_age=SESSION_S, httponly=True, samesite="lax", secure=secure)
        return answer

    return router


def _form(told: str) -> str:
    said = f"<p role=alert>{escape(told)}</p>" if told else ""
    return _PAGE.replace("<!--told-->", said)


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Darkroom: log in</title>
<style>
:root { color-scheme: light dark }
body { font: 16px system-ui; max-width: 20rem; margin: 20vh auto; padding: 0 1rem }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input, button { padding: .5rem; margin: .25rem 0 1rem }
</style>
<h1>Darkroom</h1>
<!--told-->
<form method="post" action="login">
<label for="u">User name</label><input id="u" name="username" autocomplete="username" autofocus required>
<label for="p">Password</label><input id="p" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>
</html>
"""
