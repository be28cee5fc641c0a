"""Facts about the server: launch flags, memory; and interrogate, which is not there yet."""

import psutil
from fastapi import APIRouter
from pydantic import BaseModel

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.pictures import read_base64
from app.api.sdapi.requests import InterrogateRequest
from app.api.services import Services
from app.schema.errors import NotSupported

SECRETS = frozenset({"gradio_auth", "api_auth", "civitai_token", "hf_token"})
"""Settings that no answer may hold."""
INTERROGATORS = ("clip", "deepdanbooru")
"""Models that A1111 takes."""


class Memory(BaseModel):
    """A1111's answer: bytes of this machine, and of the GPU where it can be asked."""

    ram: dict[str, float]
    cuda: dict[str, object]


def misc_routes(services: Services) -> APIRouter:
    """cmd-flags, memory, interrogate."""
    router = APIRouter()

    @router.get("/cmd-flags")
    async def cmd_flags() -> dict[str, object]:
        """How the server was started, names and passwords left out."""
        return services.settings.model_dump(mode="json", exclude=set(SECRETS)) | {"api": True}

    @router.get("/memory")
    async def memory() -> Memory:
        """Bytes of memory that are free, that this process uses, and that there are."""
        machine = psutil.virtual_memory()
        ram = {"free": float(machine.available), "used": psutil.Process().memory_info().rss, "total": float(machine.total)}
        return Memory(ram=ram, cuda={"error": "unavailable"})

    @router.post("/interrogate")
    def interrogate(request: InterrogateRequest) -> dict[str, str]:
        """A caption for a picture; no captioning model is there yet."""
        if request.image is None:
            raise FourKeyError(404, detail="Image not found")
        read_base64(request.image)
        if request.model not in INTERROGATORS:
            raise FourKeyError(404, detail="Model not found")
        raise NotSupported("Captioning (interrogate) is not there yet.")

    return router
