"""Pictures and masks to start from: stored, and given back."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

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
    """/api/v1/inputs. An id is made from what the picture shows: whoever knows it has seen it."""
    router = APIRouter(tags=["pictures"])

    @router.post("/inputs", status_code=201)
    async def upload(http: Request, kind: Literal["picture", "mask"] = "picture") -> StoredInput:
        """Stores a picture or a mask for img2img: the body is the file, or a form with the file in `file`."""
        data = await uploaded(http)
        if kind == "mask":
            return StoredInput(id=await run_in_threadpool(services.inputs.add_mask, data))
        background = services.options.view().text("img2img_background_color")
        name = await run_in_threadpool(services.inputs.add, data, background)
        return await run_in_threadpool(_told, name, data)

    @router.get("/inputs/{name}", response_class=Response)
    def stored(name: InputId) -> Response:
        """A stored picture or mask as a PNG file; it never changes."""
        return Response(services.inputs.file(name), media_type="image/png", headers={"Cache-Control": _FOR_EVER, "ETag": f'"{name}"'})

    return router


def _told(name: str, data: bytes) -> StoredInput:
    try:
        record = read_picture(data)
    except BadPicture:
        return StoredInput(id=name)  # its pixels are sound; what it says of itself is too damaged or too much
    return StoredInput(id=name, infotext=record.infotext, chunk=record.items.get(KEYWORD, ""))
