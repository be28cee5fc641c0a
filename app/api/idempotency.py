"""The header Idempotency-Key: a request that is sent again, because its answer was lost on the way, is the same job."""

import hashlib
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from app.jobs import RequestKey

IdempotencyKey = Annotated[str | None, Header(max_length=200, description="Names this request: sent again, it is the same job.")]


def request_key(key: str | None, request: BaseModel) -> RequestKey | None:
    """The key with what was asked for; None without a key."""
    if not key:
        return None
    return RequestKey(key=key, fingerprint=hashlib.sha256(request.model_dump_json().encode()).hexdigest())
