"""Finished pictures of /api/v1 by id, and what files say taken out of them."""

import binascii
from base64 import b64decode
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import PlainTextResponse, Response

from app.api.services import Services
from app.jobs import PictureView
from app.metadata import read_picture, stripped
from app.schema.errors import BadPicture, InvalidParams

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
"""Formats that pictures are saved in; nothing else is served, so nothing a browser would run."""
_FOR_EVER = "private, max-age=31536000, immutable"
PictureId = Annotated[str, Path(max_length=100)]


class SavedPictures(BaseModel):
    """Copies in the data folder."""

    saved_as: list[str]


def decoded(text: str) -> bytes:
    """The file in a base64 text or `data:` URI; BadPicture for other text."""
    try:
        return b64decode(text.partition(",")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError) as error:
        raise BadPicture("A picture should be sent in base64.") from error


def picture_routes(services: Services) -> APIRouter:
    """/api/v1/pictures. An id is random and long: whoever has been given it may look."""
    router = APIRouter(tags=["pictures"])

    @router.get("/pictures/{picture}", response_class=Response)
    def file(picture: PictureId, strip: bool = False) -> Response:
        """The picture's file, its infotext inside (`strip`: without it); it never changes."""
        view = services.jobs.picture(picture)
        tag = f'"{view.id}{"-stripped" if strip else ""}"'
        headers = {"Cache-Control": _FOR_EVER, "ETag": tag, "Content-Disposition": f'inline; filename="{_name(view)}"'}
        data = services.jobs.picture_bytes(view.id)
        return Response(stripped(data) if strip else data, media_type=MEDIA_TYPES[view.format], headers=headers)

    @router.get("/pictures/{picture}/infotext", response_class=PlainTextResponse)
    def infotext(picture: PictureId) -> PlainTextResponse:
        """How the picture was made, in A1111's words."""
        return PlainTextResponse(services.jobs.picture(picture).infotext)

    @router.post("/pictures/{picture}/save")
    def save(picture: PictureId) -> SavedPictures:
        """A1111's Save: a copy in `log/images` and a line in its `log.csv`; of all pictures of the job without `save_selected_only`."""
        options, chosen = services.options.view(), services.jobs.picture(picture)
        views = [chosen] if options.switch("save_selected_only") else list(services.jobs.get(chosen.job).pictures)
        kept = [(view, services.jobs.picture_bytes(view.id)) for view in views]
        names = services.copies.keep(kept, in_log=options.switch("save_write_log_csv"))
        return SavedPictures(saved_as=[f"log/images/{name}" for name in names])

    @router.post("/stripped", response_class=Response)
    async def strip(http: Request) -> Response:
        """The picture in the body (or in a form's `file`) without anything it says about itself: PNG, JPEG, WebP, AVIF; nothing is kept."""
        data = await run_in_threadpool(stripped, await uploaded(http))
        record = await run_in_threadpool(read_picture, data)
        return Response(data, media_type=f"image/{record.format.lower()}", headers={"Cache-Control": "no-store"})

    return router


async def uploaded(http: Request) -> bytes:
    """The file that is a request's body, or a form's `file`; InvalidParams for a form without one."""
    if http.headers.get("content-type", "").startswith("multipart/form-data"):
        async with http.form(max_files=1, max_fields=10) as form:
            found = form.get("file")
            if not isinstance(found, UploadFile):
                raise InvalidParams("The form should have the picture in the field `file`.")
            return await found.read()
    return await http.body()


def _name(view: PictureView) -> str:
    return PurePosixPath(view.path).name if view.path else f"{view.seed}.{view.format}"
