"""/api/v1/gallery: looking for pictures, marking them, and the index itself."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from app.api.client import client_of
from app.api.own.gallery_views import GalleryChoice, GalleryDetails, GalleryFolder, GalleryPage, GalleryPicture, GalleryStatus
from app.api.scopes import root_of
from app.api.services import Services
from app.gallery import MAX_NAME_CHARS, MAX_RATING, Change, Facet, Found, Kind, Search
from app.gallery.index import COUNTED
from app.schema.errors import DarkroomError

MOST_IDS = 10_000
PictureId = Annotated[str, Path(max_length=64)]
Ids = Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(min_length=1, max_length=MOST_IDS)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARS)]


class OwnersOnly(DarkroomError):
    """Something that only whoever runs the server may do."""

    code = "forbidden"
    status = 403


class Wanted(BaseModel):
    """What is looked for; every part that is given must fit."""

    query: str = Field("", max_length=1000, description="Words of prompt and file name.")
    model: str | None = Field(None, max_length=200)
    sampler: str | None = Field(None, max_length=100)
    lora: str | None = Field(None, max_length=200)
    size: str | None = Field(None, pattern=r"^\d{1,6}x\d{1,6}$", description="As 512x768.")
    seed: str | None = Field(None, max_length=24)
    format: str | None = Field(None, max_length=10)
    tag: str | None = Field(None, max_length=MAX_NAME_CHARS)
    album: str | None = Field(None, max_length=MAX_NAME_CHARS)
    folder: int | None = Field(None, ge=0, le=2**31)
    rating: int | None = Field(None, ge=1, le=MAX_RATING, description="At least so many stars.")
    favourite: bool = False
    after: float | None = Field(None, allow_inf_nan=False, description="Seconds since 1970.")
    before: float | None = Field(None, allow_inf_nan=False)
    order: Literal["newest", "oldest"] = "newest"
    cursor: str | None = Field(None, pattern=r"^\d{1,18}$", description="The number that the page before gave.")
    limit: int = Field(100, ge=1, le=500)

    def search(self) -> Search:
        """As the gallery takes it."""
        kinds: tuple[Kind, ...] = ("model", "sampler", "lora", "size", "seed", "format", "tag", "album", "folder", "rating")
        facets = [Facet(kind, str(value)) for kind in kinds if (value := getattr(self, kind)) not in (None, "")]
        if self.favourite:
            facets.append(Facet("favourite", "yes"))
        return Search(text=self.query, facets=tuple(facets), after=self.after, before=self.before, oldest_first=self.order == "oldest")


class Marking(BaseModel):
    """What to say of some pictures; what is left out stays."""

    ids: Ids
    favourite: bool | None = None
    rating: int | None = Field(None, ge=0, le=MAX_RATING)
    add_tags: list[Name] = Field([], max_length=100)
    remove_tags: list[Name] = Field([], max_length=100)
    add_albums: list[Name] = Field([], max_length=100)
    remove_albums: list[Name] = Field([], max_length=100)

    def change(self) -> Change:
        """As the gallery takes it."""
        return Change(
            favourite=self.favourite,
            rating=self.rating,
            add=(*(("tag", name) for name in self.add_tags), *(("album", name) for name in self.add_albums)),
            remove=(*(("tag", name) for name in self.remove_tags), *(("album", name) for name in self.remove_albums)),
        )


class NewFolder(BaseModel):
    """A folder on the server."""

    path: str = Field(max_length=4000)


def owner_of(services: Services, http: Request) -> str | None:
    """Whose pictures the asker may see: on a server that others can reach only the browser's own, else all (None)."""
    return client_of(http) if services.settings.public else None


def gallery_routes(services: Services) -> APIRouter:
    """Finding, marking, folders."""
    router = APIRouter(prefix="/gallery", tags=["gallery"])
    gallery = services.gallery

    @router.get("")
    def find(wanted: Annotated[Wanted, Query()], http: Request) -> GalleryPage:
        """The pictures that fit, newest first, a page at a time."""
        cursor = int(wanted.cursor) if wanted.cursor else None
        page = gallery.find(wanted.search(), owner_of(services, http), limit=wanted.limit, cursor=cursor)
        return GalleryPage(
            pictures=_pictures(page.pictures, http),
            cursor=str(page.following) if page.following is not None else None,
            total=page.total,
            total_is_least=page.total == COUNTED,
        )

    @router.get("/choices")
    def choices(http: Request) -> dict[str, list[GalleryChoice]]:
        """What can be filtered by, the most frequent first."""
        counts = gallery.index.counts(owner_of(services, http))
        return {kind: [GalleryChoice(value=value, pictures=number) for value, number in known] for kind, known in counts.items()}

    @router.get("/status")
    def status(http: Request) -> GalleryStatus:
        """How far the index is."""
        owner = owner_of(services, http)
        now = gallery.status(owner)
        return GalleryStatus(
            total=now.total,
            scanning=now.scanning,
            looked_at=now.looked_at,
            read=now.read,
            following=now.following,
            owner=owner is None,
            strips=services.options.view().switch("darkroom_strip_downloads"),
        )

    @router.get("/pictures/{picture}")
    def one(picture: PictureId, http: Request) -> GalleryDetails:
        """One picture and how it was made."""
        (found,) = gallery.get([picture], owner_of(services, http))
        shown = GalleryPicture.of(found, root_of(http.scope))
        told = gallery.told(found)
        return GalleryDetails(**shown.model_dump(), infotext=told.infotext, usable=told.usable, chunk=told.chunk)

    @router.post("/marks")
    def mark(marking: Marking, http: Request) -> list[GalleryPicture]:
        """Says the same of all these pictures: favourite, stars, tags, albums."""
        return _pictures(gallery.change(marking.ids, marking.change(), owner_of(services, http)), http)

    @router.get("/folders")
    def folders(http: Request) -> list[GalleryFolder]:
        """The folders that are looked through; for the server's owner."""
        _owners_only(services, http)
        return [GalleryFolder(number=folder.number, path=str(folder.path)) for folder in gallery.folders()]

    @router.post("/folders", status_code=201)
    def add_folder(new: NewFolder, http: Request) -> list[GalleryFolder]:
        """Takes a further folder in."""
        _owners_only(services, http)
        gallery.add_folder(new.path)
        return folders(http)

    @router.delete("/folders/{number}")
    def remove_folder(number: Annotated[int, Path(ge=1, le=2**31)], http: Request) -> list[GalleryFolder]:
        """Leaves a folder out; its files stay."""
        _owners_only(services, http)
        gallery.remove_folder(number)
        return folders(http)

    @router.post("/refresh", status_code=202)
    def refresh(http: Request, rebuild: bool = False) -> GalleryStatus:
        """Looks through the folders again; `rebuild` forgets the index first, which costs nothing but time."""
        _owners_only(services, http)
        if rebuild:
            gallery.rebuild()
        else:
            gallery.rescan()
        return status(http)

    return router


def _pictures(found: "tuple[Found, ...] | list[Found]", http: Request) -> list[GalleryPicture]:
    root = root_of(http.scope)
    return [GalleryPicture.of(one, root) for one in found]


def _owners_only(services: Services, http: Request) -> None:
    if owner_of(services, http) is not None:
        raise OwnersOnly("Folders and the index are looked after where the server runs without --listen.")
