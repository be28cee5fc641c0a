"""Every JSON body is looked through once, before any route reads it."""

from fastapi import Request

from app.schema.json_values import check_json


async def sound_json(request: Request) -> None:
    """A dependency of every route of the API: InvalidParams for a JSON body that `check_json` refuses."""
    if "json" not in request.headers.get("content-type", "").lower():
        return
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return  # no JSON, which the route says in its own words
    check_json(body)
