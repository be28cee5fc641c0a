"""Where errors become HTTP answers: A1111's bodies below /sdapi and /internal, `{"detail", "code"}` elsewhere."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.api.scopes import is_below, path_of
from app.api.sdapi.errors import FourKeyError, four_keys
from app.api.sdapi.validation import pydantic1_details
from app.api.security import TOO_LARGE
from app.schema.errors import DarkroomError, TooLarge

log = logging.getLogger(__name__)

_INTERNAL = "Something went wrong inside Darkroom. The log says what."
_CODES = {400: "invalid_params", 401: "not_logged_in", 403: "forbidden", 404: "not_found", 405: "wrong_method", 413: TooLarge.code}


def install_error_handlers(app: FastAPI) -> None:
    """Registers the handlers; routes hold no `try` for errors that people can put right."""
    app.add_exception_handler(DarkroomError, _darkroom)
    app.add_exception_handler(FourKeyError, _four_keys)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


def error_body(error: Exception, *, like_a1111: bool) -> tuple[int, dict[str, object]]:
    """(status, body) of an error, as route and streaming answers both send it."""
    if isinstance(error, FourKeyError):
        return error.status, dict(error.body)
    status, code, told = 500, "internal", _INTERNAL
    if isinstance(error, DarkroomError):
        status, code, told = error.status, error.code, str(error)
    if like_a1111:
        return status, dict(four_keys(type(error).__name__, errors=told))
    return status, {"detail": told, "code": code}


def _like_a1111(request: Request) -> bool:
    return is_below(path_of(request.scope), ("/sdapi", "/internal"))


async def _darkroom(request: Request, error: Exception) -> JSONResponse:
    status, body = error_body(error, like_a1111=_like_a1111(request))
    return JSONResponse(body, status_code=status)


async def _four_keys(request: Request, error: Exception) -> JSONResponse:
    status, body = error_body(error, like_a1111=True)
    return JSONResponse(body, status_code=status)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if _like_a1111(request):
        return JSONResponse({"detail": pydantic1_details(error)}, status_code=422)
    return JSONResponse({"detail": "; ".join(map(_sentence, error.errors())), "code": "invalid_params"}, status_code=422)


def _sentence(found: Mapping[str, Any]) -> str:
    """Where a request is wrong, and how; what a validator of ours said is said as it is."""
    where, said, context = found["loc"][1:], str(found["msg"]), found.get("ctx", {})
    if found["type"] in ("union_tag_not_found", "union_tag_invalid"):  # pydantic speaks of its discriminators
        where = (*where, context["discriminator"].strip("'"))
        said = f"has to be one of {context['expected_tags']}" if "expected_tags" in context else "is missing, or is no text"
    if found["type"] == "string_pattern_mismatch":  # which it shows as a regular expression
        said = "is not of the form that it should have; /docs describes it"
    return f"{'.'.join(map(str, where)) or 'body'}: {said.removeprefix('Value error, ')}"


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    body = {"detail": error.detail}
    if error.status_code == TooLarge.status:
        body["detail"] = TOO_LARGE
    elif error.status_code == 400 and isinstance(error.__cause__, ValueError | RecursionError):  # raised where the body is parsed
        body["detail"] = "The JSON cannot be read: it is not UTF-8, is nested too deeply, or has a number of thousands of digits."
    if is_below(path_of(request.scope), ("/api",)):
        body["code"] = _CODES.get(error.status_code, "http")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _internal(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback too; this line names the request.
    log.error("%s %s failed: %s", request.method, path_of(request.scope), type(error).__name__)
    status, body = error_body(error, like_a1111=_like_a1111(request))
    return JSONResponse(body, status_code=status)
