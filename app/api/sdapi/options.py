"""GET and POST /sdapi/v1/options."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from app.api.checkpoints import chosen_checkpoint
from app.api.sdapi.errors import FourKeyError
from app.api.services import Services
from app.jobs.options import CHECKPOINT, TEXT_ENCODER
from app.models import text_encoder_named
from app.schema.errors import BadModelFile, UnknownName, shown
from app.schema.options import option_table

CHECKPOINT_HASH = "sd_checkpoint_hash"


def _object(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError("type_error.dict", "value is not a valid dict")
    return value


Changes = Annotated[dict[str, Any], BeforeValidator(_object), Body()]


def option_routes(services: Services) -> APIRouter:
    """A1111's options."""
    router = APIRouter()

    @router.get("/options")
    def options() -> dict[str, object]:
        """All options; the checkpoint by its title."""
        return shown_options(services)

    @router.post("/options")
    def set_options(changes: Changes) -> None:
        """Sets any of them, or none if one is refused. Posting back what GET answered changes nothing.

        Choosing a checkpoint begins to load it.
        """
        posted = dict(changes)
        name = posted.pop(CHECKPOINT, None)
        if name is not None and (wanted := _wanted(services, str(name))) is not None:
            posted[CHECKPOINT] = wanted
        reader = posted.get(TEXT_ENCODER)
        if isinstance(reader, str) and reader != services.options.get(TEXT_ENCODER):
            posted[TEXT_ENCODER] = _text_encoder(services, reader)
        changed = services.options.set_many(posted)
        if changed.get(CHECKPOINT):
            services.engine.load(str(changed[CHECKPOINT]))

    return router


def shown_options(services: Services) -> dict[str, object]:
    """The options as GET answers them."""
    table = option_table()
    values: dict[str, object] = {name: value for name, value in services.options.get_all().items() if not table[name].own}
    chosen = chosen_checkpoint(services)
    values[CHECKPOINT] = chosen.title if chosen else values[CHECKPOINT]
    values[CHECKPOINT_HASH] = (chosen.sha256 or "") if chosen else ""
    return values


def _text_encoder(services: Services, name: str) -> str:
    """The catalogue's file name for what was posted; FourKeyError and BadModelFile as for a checkpoint."""
    try:
        return text_encoder_named(services.catalog, name)
    except UnknownName as error:
        raise FourKeyError(500, error="RuntimeError", errors=f"text encoder {shown(name)!r} not found") from error


def _wanted(services: Services, name: str) -> str | None:
    """The catalogue's file name for what was posted (title, file name, bare name or hash); None: it is chosen already.

    FourKeyError as A1111 answers for an unknown one, BadModelFile for one that cannot be loaded.
    """
    if not name:
        return None
    try:
        file = services.catalog.find(name)
    except UnknownName as error:
        raise FourKeyError(500, error="RuntimeError", errors=f"model {shown(name)!r} not found") from error
    chosen = chosen_checkpoint(services)
    if chosen is not None and file.path == chosen.path:
        return None
    if file.problem:
        raise BadModelFile(f"{file.filename}: {file.problem}")
    return file.filename
