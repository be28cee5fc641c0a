"""The header X-Process-Time that A1111 sends with every /sdapi answer."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.scopes import is_below, path_of


class ProcessTime:
    """Adds the seconds until the answer began to answers below /sdapi."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and time its answer."""
        if scope["type"] != "http" or not is_below(path_of(scope), ("/sdapi",)):
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = f"{time.perf_counter() - started:.4f}".encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"x-process-time", seconds)]}
            await send(message)

        await self.app(scope, receive, timed)
