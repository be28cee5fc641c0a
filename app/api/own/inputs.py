"""Pictures and masks to start from: stored, and given back."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.client import client_of
from app.api.own.pictures import uploaded
from app.api.services import Services
from app.metadata import read_picture
from app.metadata.params_chunk import KEYWORD
from app.schema.errors import BadPicture

InputId = Annotated[str, Path(max_length=100)]
_FOR_EVER = "private, max-age=31536000, immutable"


class StoredInput(BaseModel):
    """An uploaded picture, to be named in a job's `init_images`, or a mask, to be named in `mask`."""

    id: str
    infotext: str = ""
    """How the picture was made, in A1111's words; empty where it does not say."""
    chunk: str = ""
    """The JSON of all settings that PNG files of ours have; empty without it."""


def input_routes(services: Services) -> APIRouter:
    """/api/v1/inputs. On a public server a client sees what it has sent and what its jobs start from: an id may have been passed on."""
    router = APIRouter(tags=["pictures"])

    @router.post("/inputs", status_code=201)
    async def upload(http: Request, kind: Literal["picture", "mask"] = "picture") -> StoredInput:
        """Stores a picture or a mask for img2img: the body is the file, or a form with the file in `file`."""
        data = await uploaded(http)
        return await run_in_threadpool(_stored, services, data, kind, client_of(http))

    @router.get("/inputs/{name}", response_class=Response)
    def stored(name: InputId, http: Request) -> Response:
        """A stored picture or mask as a PNG file; it never changes. On a public server 404 for what others have sent."""
        services.jobs.check_inputs([name], client=services.scope_of(client_of(http)))
        return Response(services.inputs.file(name), media_type="image/png", headers={"Cache-Control": _FOR_EVER, "ETag": f'"{name}"'})

    return router


def _stored(services: Services, data: bytes, kind: str, client: str) -> StoredInput:
    if kind == "mask":
        name = services.inputs.add_mask(data)
    else:
        name = services.inputs.add(data, services.options.view().text("img2img_background_color"))
    services.jobs.note_input(name, client=client)
    return StoredInput(id=name) if kind == "mask" else _told(name, data)


def _told(name: str, data: bytes) -> StoredInput:
    try:
        record = read_picture(data)
    except BadPicture:
        return StoredInput(id=name)  # its pixels are sound; what it says of itself is too damaged or too much
    return StoredInput(id=name, infotext=record.infotext, chunk=record.items.get(KEYWORD, ""))
