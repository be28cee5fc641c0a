"""/api/v1/models/cards and previews: model files of all kinds, looked through, looked at, and what a user says of them."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.own.model_views import CardList, ModelHashes, ModelPage
from app.api.own.pictures import uploaded
from app.api.scopes import root_of
from app.api.services import Services
from app.gallery import MEDIA_TYPE
from app.metadata import read_picture, save_png_bytes
from app.models.folders import Kind
from app.models.library import MOST_NOTE_CHARS, MOST_WEIGHT, Card, Order, Search, read_about
from app.schema.errors import DarkroomError, NotFound

MOST_CARDS = 1000
PREVIEW_PX = 768
_KEPT = "private, max-age=31536000, immutable"
"""Addresses carry the state of the picture's file, so what a browser keeps is never stale."""
Text = Annotated[str | None, Field(max_length=MOST_NOTE_CHARS)]
Name = Annotated[str, Field(max_length=1000)]


class NotHere(DarkroomError):
    """Something that may not be changed from where the request comes."""

    code = "forbidden"
    status = 403


class Wanted(BaseModel):
    """What is looked for; every part that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field("", max_length=1000, description="Words of name, folder, trigger words and tags; all of them.")
    kind: list[Kind] = Field([], description="One kind or several.")
    family: list[Name] = Field([], description="`SD1`, `SDXL` ...; empty for files whose family is not known.")
    folder: Name = Field("", description="A sub-folder, with those in it.")
    favourites: bool = False
    sort: Order = "name"
    descending: bool = False
    offset: int = Field(0, ge=0, le=2**31)
    limit: int = Field(100, ge=0, le=MOST_CARDS)

    def search(self) -> Search:
        """As the library takes it."""
        return Search(
            text=self.query,
            kinds=frozenset(self.kind),
            families=frozenset(self.family),
            folder=self.folder.strip("/"),
            favourites=self.favourites,
            order=self.sort,
            descending=self.descending,
        )


class CardChange(BaseModel):
    """What to say of a file; what is left out stays, null and empty texts clear."""

    model_config = ConfigDict(extra="forbid", strict=True)

    favourite: bool | None = None
    preferred_vae: Annotated[str | None, Field(max_length=1000)] = None
    description: Text = None
    notes: Text = None
    sd_version: Annotated[str | None, Field(max_length=100)] = None
    activation_text: Text = None
    negative_text: Text = None
    preferred_weight: float | None = Field(None, ge=-MOST_WEIGHT, le=MOST_WEIGHT, allow_inf_nan=False)


def model_card_routes(services: Services) -> APIRouter:
    """Everything below /api/v1/models/cards and /api/v1/models/previews."""
    router = APIRouter(prefix="/models", tags=["models"], dependencies=[Depends(_whole_name)])
    library = services.library

    @router.get("/cards")
    def cards(wanted: Annotated[Wanted, Query()], http: Request) -> CardList:
        """The files that fit, a page at a time."""
        page = library.find(wanted.search(), offset=wanted.offset, limit=wanted.limit)
        return CardList.of(page, root_of(http.scope))

    def shown(card: Card, http: Request) -> ModelPage:
        return ModelPage.made(card, read_about(card.file), library.hashes.state(card.file), root_of(http.scope))

    @router.get("/cards/{kind}/{filename:path}")
    def page(kind: Kind, filename: str, http: Request) -> ModelPage:
        """One file, with everything that is known of it."""
        return shown(library.get(kind, filename), http)

    def check_may_change() -> None:
        if not services.settings.changes_models:
            raise NotHere("On a server that others reach without a password, nobody changes what is said of models.")

    @router.put("/cards/{kind}/{filename:path}")
    def change(kind: Kind, filename: str, said: CardChange, http: Request) -> ModelPage:
        """Says some of it: favourite, notes, preferred weight and VAE. Notes go into A1111's `NAME.json`, too."""
        check_may_change()
        return shown(library.change(kind, filename, said.model_dump(include=said.model_fields_set)), http)

    @router.get("/hashes/{kind}/{filename:path}")
    def hashes(kind: Kind, filename: str) -> ModelHashes:
        """How far the computing of a file's hashes is, and what they are."""
        return ModelHashes.of(library.hashes.state(library.get(kind, filename).file))

    @router.post("/hashes/{kind}/{filename:path}", status_code=202)
    def compute_hashes(kind: Kind, filename: str) -> ModelHashes:
        """Has a file's hashes computed in the background, unless they are known."""
        return ModelHashes.of(library.hashes.ask(library.get(kind, filename).file))

    @router.get("/previews/{kind}/{filename:path}", response_class=Response)
    def preview(kind: Kind, filename: str) -> Response:
        """A small look at a file's preview picture, as WebP of at most 320 pixels a side."""
        found = library.preview(kind, filename)
        if found is None:
            raise NotFound(f"{filename} has no preview picture.")
        path, stamp = found
        content = hashlib.sha256(f"{path}\n{stamp}".encode(errors="surrogateescape")).digest()
        return Response(services.previews.get(content, path), media_type=MEDIA_TYPE, headers={"Cache-Control": _KEPT})

    @router.put("/previews/{kind}/{filename:path}")
    async def set_preview(kind: Kind, filename: str, http: Request) -> ModelPage:
        """Makes the picture in the body (or in a form's `file`) the file's preview: `NAME.preview.png` beside it, with its settings."""
        check_may_change()
        png = await run_in_threadpool(preview_of, services, await uploaded(http))
        card = await run_in_threadpool(library.set_preview, kind, filename, png)
        return await run_in_threadpool(shown, card, http)

    return router


def _whole_name(http: Request) -> None:
    """Refuses an address that ends with a line break, which patterns of routes leave out of the name: another file's would be meant."""
    if http.scope["path"].endswith("\n"):
        raise NotFound("There is no model file whose name ends with a line break.")


def preview_of(services: Services, data: bytes) -> bytes:
    """A PNG of at most PREVIEW_PX a side that keeps the picture's infotext. BadPicture, TooLarge."""
    stored = services.inputs.add(data)
    small = Image.fromarray(services.inputs.load(stored))
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    return save_png_bytes(small, read_picture(data).text)
