"""JSON can spell half a character (a lone surrogate, "\\ud800"), which can be neither saved nor sent back."""

import json

from fastapi import Request

from app.schema.errors import InvalidParams


async def whole_characters(request: Request) -> None:
    """A dependency of every route of the API: InvalidParams for a JSON body with half a character anywhere in it."""
    if "json" not in request.headers.get("content-type", "").lower() and request.headers.get("content-type"):
        return
    body = await request.body()
    if body.isascii() and b"\\u" not in body:
        return  # the usual case, and the only one that can be long: pictures in base64
    try:
        json.dumps(await request.json(), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidParams("The request holds half a character (a lone surrogate such as \\ud800), which is no text.") from error
    except ValueError:
        return  # no JSON, which the route says in its own words
