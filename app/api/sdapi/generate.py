"""Waiting for a job inside one request, as A1111's clients expect, without holding a thread or a silent connection."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.api.client import client_of, user_of
from app.api.errors import error_body
from app.api.idempotency import request_key
from app.api.sdapi.answer import answer_of
from app.api.sdapi.requests import GenerationRequest
from app.api.sdapi.translate import Order, translate
from app.api.services import Services
from app.jobs import RequestKey
from app.schema.errors import EngineStopped, InvalidParams

log = logging.getLogger(__name__)

JOB_HEADER = "X-Job-Id"
MAX_TASK_CHARS = 200
_JSON = "application/json"


async def generate(services: Services, http: Request, request: GenerationRequest, idempotency_key: str | None = None) -> Response:
    """Submits the job and answers when it has ended; the header X-Job-Id names it."""
    client = client_of(http)
    order, job = await run_in_threadpool(_submit, services, request, client, user_of(http), request_key(idempotency_key, request))
    finished = asyncio.create_task(_finish(services, order, job))
    headers = {JOB_HEADER: job}
    try:
        done, _ = await asyncio.wait({finished}, timeout=services.patience_s)
    except asyncio.CancelledError as error:  # the web server ends and waits no longer
        finished.cancel()
        raise EngineStopped(f"The engine was stopped before the job was done. It is job {job}.") from error
    if done:
        return Response(finished.result(), media_type=_JSON, headers=headers)
    return StreamingResponse(_with_blanks(finished, services.patience_s), media_type=_JSON, headers=headers)


def _submit(services: Services, request: GenerationRequest, client: str, user: str, key: RequestKey | None) -> tuple[Order, str]:
    order = translate(services, request)
    task = order.request.force_task_id or None
    if task is not None and len(task) > MAX_TASK_CHARS:
        raise InvalidParams(f"force_task_id: string should have at most {MAX_TASK_CHARS} characters.")
    save = bool(order.request.save_images)
    job = services.jobs.submit(
        order.params, client=client, user=user, task_id=task, save=save, options=order.options, request=key, script=order.script
    )
    return order, job


async def _finish(services: Services, order: Order, job: str) -> bytes:
    view = await services.jobs.wait_async(job)
    return await run_in_threadpool(answer_of, services, order, view)


async def _with_blanks(finished: asyncio.Task[bytes], every_s: float) -> AsyncIterator[bytes]:
    """Blanks, which JSON allows before a value, until the body is there. The status is sent by then: an error is told in the body."""
    try:
        while not finished.done():
            yield b" "
            await asyncio.wait({finished}, timeout=every_s)
        error = finished.exception()
        if not isinstance(error, Exception):
            yield finished.result()
            return
        status, body = error_body(error, like_a1111=True)
        if status >= 500:
            log.error("a request failed after its answer had begun", exc_info=error)
        yield json.dumps(body).encode()
    finally:
        finished.cancel()  # the client has gone: the job goes on, only nobody waits for it here
