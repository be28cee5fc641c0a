"""What keeps other people's web pages from driving this server: Host and Origin checks, safe headers, a body limit.

A page elsewhere can send requests to a local server (CSRF) or make its own domain name resolve to it (DNS rebinding). The first shows
in the Origin header, the second in the Host header.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.scopes import header_of, is_below, path_of
from app.schema.errors import TooLarge

MAX_BODY_BYTES = 256 * 1024 * 1024
"""Largest request body; a batch of pictures in base64 fits."""
TOO_LARGE = f"The request is larger than the limit of {MAX_BODY_BYTES // 1024**2} MiB."
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
"""A name or an address, and perhaps a port: what may stand in a Host header."""


class Guard:
    """Refuses requests that another site's page has made (403) and marks every answer `nosniff`."""

    def __init__(self, app: ASGIApp, *, public: bool, origins: Collection[str] = ()) -> None:
        """`public`: the server listens to others, so any Host is right. `origins`: those CORS allows; `*` allows all."""
        self.app, self.public, self.origins = app, public, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer why not."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is None:
            await self.app(scope, receive, _nosniff(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": problem[:120]})
        else:
            await JSONResponse({"detail": problem}, status_code=403)(scope, receive, _nosniff(send))

    def _problem(self, scope: Scope) -> str | None:
        host = header_of(scope, b"host")
        if host is not None and not self.public and not _is_local_name(host):
            return (
                f"Host {host[:100]!r} is not this machine. If a proxy serves Darkroom under that name, "
                "start it with --listen, or let the proxy send Host: localhost."
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        origin = header_of(scope, b"origin")
        if changes and origin is not None and not self._same_site(scope, origin, host):
            return f"A page from {origin[:100]!r} may not do this. --cors-allow-origins names pages that may."
        return None

    def _same_site(self, scope: Scope, origin: str, host: str | None) -> bool:
        if "*" in self.origins or origin in self.origins:
            return True
        if header_of(scope, b"sec-fetch-site") in ("same-origin", "none"):
            return True  # said by the browser itself; pages cannot set it
        # A proxy on this machine may have rewritten Host; anybody else could say what they like.
        names = (host, header_of(scope, b"x-forwarded-host") if _is_local_peer(scope) else None)
        return any(_matches(origin, name) for name in names if name)


class BodyLimit(RequestBodyLimitMiddleware):
    """Starlette's limit, which answers a Content-Length over it in plain text, with the answer that a body without one gets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted, or answer 413."""
        told = header_of(scope, b"content-length") if scope["type"] == "http" else None
        if told is not None and told.isdecimal() and (len(told) > 15 or int(told) > self.max_body_size):
            code = {"code": TooLarge.code} if is_below(path_of(scope), ("/api",)) else {}
            await JSONResponse({"detail": TOO_LARGE, **code}, status_code=TooLarge.status)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def _is_local_peer(scope: Scope) -> bool:
    peer = scope.get("client")
    try:
        address = ipaddress.ip_address(peer[0] if peer else "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_local_name(host: str) -> bool:
    if not _HOST.fullmatch(host):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
        # No public name ends so, hence none can be made to resolve here; containers reach their host as *.internal.
        if name == "localhost" or name.endswith((".localhost", ".internal")):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _matches(origin: str, host: str) -> bool:
    first = host.split(",")[0].strip()
    if not _HOST.fullmatch(first):
        return False
    try:
        page, here = urlsplit(origin), urlsplit(f"//{first}")
        if not page.hostname or page.hostname != here.hostname:
            return False
        default = 443 if page.scheme == "https" else 80
        # Some proxies drop the port from Host; the browser always says it when it is not the default one.
        return here.port is None or here.port == (page.port or default)
    except ValueError:
        return False


def _nosniff(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]}
        await send(message)

    return wrapped


def split_origins(given: str | None) -> tuple[str, ...]:
    """The origins of --cors-allow-origins, without blanks and trailing slashes."""
    return tuple(o.strip().rstrip("/") for o in (given or "").split(",") if o.strip())
