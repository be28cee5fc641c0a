"""POST /api/v1/extras: a picture enlarged, saved and given back."""

from base64 import b64encode
from typing import Self

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.client import client_of
from app.api.own.pictures import decoded
from app.api.services import Services
from app.api.upscale import Upscale, encoded, opened
from app.jobs import CannotSave
from app.schema.errors import UnknownName
from app.schema.upscalers import IMAGE_UPSCALERS, NO_UPSCALER

KEYWORDS = ("postprocessing", "extras")
"""Texts of a PNG file under which A1111 says what was done; the second one is in saved files only."""


class Enlarge(BaseModel):
    """A picture, how to enlarge it, and where to."""

    model_config = ConfigDict(extra="forbid")

    picture: str = Field(description="The file in base64.")
    factor: float = Field(4.0, allow_inf_nan=False, description="How many times wider and higher; without a width and a height.")
    width: int | None = Field(None, ge=8, description="With `height`: the size to reach.")
    height: int | None = Field(None, ge=8)
    crop: bool = Field(True, description="Cut to that size what would be over it.")
    upscaler: str = Field("Lanczos", max_length=100)
    second_upscaler: str = Field(NO_UPSCALER, max_length=100)
    second_share: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="How much of the second one's picture is mixed in.")
    name: str = Field("", max_length=1000, description="Of one picture of several: its file's name, which the result gets as well.")
    folder: str = Field("", max_length=1000, description="A folder below the outputs folder; empty: `outdir_extras_samples`.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("a size to reach needs a width and a height")
        return self

    def upscale(self) -> Upscale:
        """What to do; UnknownName for an upscaler that there is not."""
        for name in (self.upscaler, self.second_upscaler):
            if name not in IMAGE_UPSCALERS:
                raise UnknownName("upscaler", name, IMAGE_UPSCALERS)
        return Upscale(
            factor=self.factor,
            size=(self.width, self.height) if self.width and self.height else None,
            crop=self.crop,
            first=self.upscaler,
            second=self.second_upscaler,
            second_share=self.second_share,
        )


class Enlarged(BaseModel):
    """The result."""

    picture: str
    """The file in base64."""
    format: str
    info: str
    """What was done, as A1111 says it."""
    saved_as: str | None
    """Relative to the outputs folder; null where the disk refused it."""
    problem: str | None = None
    """Why it was not saved."""


def extras_routes(services: Services) -> APIRouter:
    """Enlarging without a model, one picture at a time."""
    router = APIRouter(tags=["pictures"])

    @router.post("/extras")
    async def enlarge(wanted: Enlarge, http: Request) -> Enlarged:
        """Enlarges a picture, saves it in `outputs/extras-images` (or where it is to go) and gives it back."""
        upscale = wanted.upscale()
        return await to_thread.run_sync(_enlarged, services, wanted, upscale, client_of(http), limiter=services.enlarging)

    return router


def _enlarged(services: Services, wanted: Enlarge, upscale: Upscale, client: str) -> Enlarged:
    options = services.options.view()
    picture, record = opened(decoded(wanted.picture))
    keywords = KEYWORDS if options.switch("enable_pnginfo") else ()
    data, kind = encoded(upscale.apply(picture), record, upscale.info(), options, keywords)
    result = Enlarged(picture=b64encode(data).decode("ascii"), format=kind, info=upscale.info(), saved_as=None)
    try:
        saved_as = services.jobs.extras.keep(data, kind, options, client=client, original=wanted.name, folder=wanted.folder)
    except CannotSave as error:
        return result.model_copy(update={"problem": str(error)})
    return result.model_copy(update={"saved_as": saved_as})
