"""What of Gradio can be reached: its page, its files and the handlers of our events. Its other routes do not exist here.

Gradio brings uploads, a file server, proxies, queues, recordings and more, which the page does not use: pictures travel over /api/v1.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.schema.errors import DarkroomError, InvalidParams, NotFound
from app.schema.json_values import check_json

HANDLER_PATH = "/gradio_api/run/predict"
"""Where the page calls handlers of events that do not wait in Gradio's queue."""
PAGE_PATHS = frozenset({"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/gradio_api/app_id"})
PAGE_FOLDERS = ("/assets/", "/static/")
MAX_NAME_CHARS = 100
Plain = str | bool | int | float | None


class PageGate:
    """Stands inside Gradio's application: passes on what the page asks for, and to handlers only plain values."""

    def __init__(self, app: ASGIApp, *, handlers: Mapping[int, int]) -> None:
        """`handlers`: how many values each takes, by Gradio's number of it."""
        self.app, self.handlers = app, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that there is no such thing."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")).rstrip("/"))
        # Nothing that is left here reads the query; Gradio would look for saved states by it.
        scope = {**scope, "query_string": b""}
        if scope["type"] == "http" and scope["method"] == "POST" and path == HANDLER_PATH:
            await self._call(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and (path in PAGE_PATHS or path.startswith(PAGE_FOLDERS)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refusal(NotFound("There is nothing here."))(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = self._checked(await Request(scope, receive).body())
        except DarkroomError as error:
            await _refusal(error)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self.app({**scope, "headers": headers}, _giving(body, receive), send)

    def _checked(self, body: bytes) -> bytes:
        """The call with nothing in it but what the page says; InvalidParams or NotFound for another."""
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InvalidParams("The call of the page's handler is no JSON.") from error
        check_json(asked)
        number = asked.get("fn_index") if isinstance(asked, dict) else None
        if type(number) is not int or number not in self.handlers:
            raise NotFound("The page has no such handler; reload it.")
        values, session, trigger = asked.get("data"), asked.get("session_hash"), asked.get("trigger_id")
        if not isinstance(values, list) or len(values) != self.handlers[number]:
            raise InvalidParams(f"This handler takes a list of {self.handlers[number]} values; reload the page.")
        if not all(isinstance(value, Plain) or _is_plain_list(value) for value in values):
            raise InvalidParams("The page's handlers take texts, numbers, switches and lists of these.")
        if not isinstance(session, str | None) or len(session or "") > MAX_NAME_CHARS or not isinstance(trigger, int | None):
            raise InvalidParams("The call of the page's handler does not say which page it comes from; reload it.")
        call: dict[str, Any] = {"fn_index": number, "data": values, "session_hash": session, "trigger_id": trigger}
        return json.dumps(call).encode()


def _is_plain_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Plain) for item in value)


def _refusal(error: DarkroomError) -> Response:
    # Gradio's scripts show `error`; everything else here says `detail`.
    return JSONResponse({"error": str(error), "detail": str(error), "code": error.code}, status_code=error.status)


def _giving(body: bytes, receive: Receive) -> Receive:
    """A receive channel that begins with `body` and goes on with what comes after it (the client's leaving)."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_checked() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_checked
