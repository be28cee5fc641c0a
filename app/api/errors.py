"""Where errors become HTTP answers: A1111's bodies below /sdapi and /internal, `{"detail", "code"}` elsewhere."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.api.scopes import is_below, path_of
from app.api.sdapi.errors import FourKeyError, four_keys
from app.api.sdapi.validation import pydantic1_details
from app.api.security import MAX_BODY_BYTES
from app.schema.errors import DarkroomError, TooLarge

log = logging.getLogger(__name__)

_INTERNAL = "Something went wrong inside Darkroom. The log says what."


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
    told = "; ".join(f"{'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}" for e in error.errors())
    return JSONResponse({"detail": told, "code": "invalid_params"}, status_code=422)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == TooLarge.status:
        detail = f"The request is larger than the limit of {MAX_BODY_BYTES // 1024**2} MiB."
        return JSONResponse({"detail": detail}, status_code=TooLarge.status)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)


async def _internal(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback too; this line names the request.
    log.error("%s %s failed: %s", request.method, path_of(request.scope), type(error).__name__)
    status, body = error_body(error, like_a1111=_like_a1111(request))
    return JSONResponse(body, status_code=status)
