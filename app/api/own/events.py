"""GET /api/v1/events: what happens to the asker's jobs, as server-sent events that take up again after a cut connection."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.client import client_of
from app.api.services import Services

HEARTBEAT_S = 10
"""Proxies cut streams that are silent for long; a comment line keeps them."""
_RETRY_MS = 2000


def event_routes(services: Services) -> APIRouter:
    """The stream."""
    router = APIRouter(tags=["events"])

    @router.get("/events", response_class=EventSourceResponse)
    async def events(http: Request, after: int | None = None) -> EventSourceResponse:
        """Events `job`, `progress`, `preview`, `picture`, `note` (a sentence), `ended` with the job's id in the data.

        `missed` says that some were lost: ask for the jobs then.
        The header Last-Event-ID (or `after`) names the last event that was read.
        """
        place = _number(http.headers.get("last-event-id")) or after
        return EventSourceResponse(_stream(services, client_of(http), place), ping=HEARTBEAT_S)

    return router


async def _stream(services: Services, client: str, after: int | None) -> AsyncIterator[ServerSentEvent]:
    with services.jobs.subscribe(client, after) as events:
        yield ServerSentEvent(comment="darkroom", retry=_RETRY_MS)  # opens the stream for proxies that wait for a first byte
        news = await events.take_async(0)  # does not wait: a place that is too old is told at once
        while True:
            if events.missed:
                events.missed = False
                yield ServerSentEvent(event="missed", data="{}")
            for event in news:
                yield ServerSentEvent(id=str(event.id), event=event.kind, data=json.dumps({"job": event.job, **event.data}))
            if events.is_over:
                return
            news = await events.take_async()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 20 else None
