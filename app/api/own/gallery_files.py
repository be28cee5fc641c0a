"""/api/v1/gallery: the pictures themselves, alone and as archives, held against each other, thrown away and brought back."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

import zipstream
from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import FileResponse, Response, StreamingResponse

from app.api.own.gallery import MOST_IDS, Ids, PictureId, owner_of
from app.api.own.gallery_views import Comparison, TrashedPicture
from app.api.own.pictures import MEDIA_TYPES
from app.api.scopes import root_of
from app.api.services import Services
from app.gallery import Found, Gallery, difference_png, pixel_difference, setting_pairs
from app.jobs.patterns import NameFacts, file_stem
from app.metadata import params_from_infotext
from app.schema.errors import InvalidParams
from app.schema.params import make_params

ARCHIVE_PATTERN = "[datetime]_[[model_name]]_[seed]-[seed_last]"
_TYPES = {**MEDIA_TYPES, "gif": "image/gif"}
_KEPT = "private, max-age=31536000, immutable"
"""Addresses carry a part of the content's hash, so what a browser keeps is never stale."""
Key = Annotated[str, Path(max_length=64)]


class Some(BaseModel):
    """Pictures by their ids."""

    ids: Ids


class Keys(BaseModel):
    """Pictures in the trash by their keys."""

    keys: Ids


class Done(BaseModel):
    """How many pictures it was done to."""

    pictures: int


class Thrown(BaseModel):
    """Keys under which the pictures lie in the trash now."""

    keys: list[str]


def gallery_file_routes(services: Services) -> APIRouter:
    """Files, archives, comparing, trash."""
    router = APIRouter(prefix="/gallery", tags=["gallery"])
    _add_pictures(router, services)
    _add_trash(router, services)
    return router


def _add_pictures(router: APIRouter, services: Services) -> None:
    gallery = services.gallery

    def paths(http: Request, ids: Sequence[str]) -> list[Found]:
        return gallery.get(ids, owner_of(services, http))

    @router.get("/pictures/{picture}/file", response_class=Response)
    def file(picture: PictureId, http: Request, strip: bool = False, download: bool = False) -> Response:
        """The file; `strip`: without the settings in it; `download`: to be saved, under its own name."""
        (found,) = paths(http, [picture])
        headers = {"Cache-Control": _KEPT, "Content-Disposition": _disposition(found.entry.place.name, download=download)}
        media_type = _TYPES.get(found.entry.format, "application/octet-stream")
        if strip or (download and _strips(services)):
            return Response(gallery.data(found, strip=True), media_type=media_type, headers=headers)
        return FileResponse(gallery.path_of(found), media_type=media_type, headers=headers)

    @router.get("/pictures/{picture}/thumbnail", response_class=Response)
    def thumbnail(picture: PictureId, http: Request) -> Response:
        """A small look as WebP."""
        (found,) = paths(http, [picture])
        return Response(gallery.thumbnail(found), media_type="image/webp", headers={"Cache-Control": _KEPT})

    @router.get("/compare")
    def compare(one: Annotated[str, Query(max_length=64)], other: Annotated[str, Query(max_length=64)], http: Request) -> Comparison:
        """What differs between two pictures, in settings and in pixels."""
        first, second = (gallery.path_of(found) for found in paths(http, [one, other]))
        pixels = pixel_difference(first, second)
        address = f"{root_of(http.scope)}/api/v1/gallery/compare/difference?one={one}&other={other}" if pixels else None
        return Comparison(settings=setting_pairs(first, second), pixels=pixels, difference=address)

    @router.get("/compare/difference", response_class=Response)
    def difference(one: Annotated[str, Query(max_length=64)], other: Annotated[str, Query(max_length=64)], http: Request) -> Response:
        """The differences of pixels as a picture, eight times as bright."""
        first, second = (gallery.path_of(found) for found in paths(http, [one, other]))
        return Response(difference_png(first, second), media_type="image/png", headers={"Cache-Control": "no-store"})

    @router.post("/zip", response_class=StreamingResponse)
    def archive(ids: Annotated[str, Form(max_length=64 * MOST_IDS)], http: Request, strip: Annotated[bool, Form()] = False) -> Response:
        """The pictures in one archive, made while it is sent; `ids` with commas between."""
        wanted = [one for one in ids.split(",") if one]
        if not 1 <= len(wanted) <= MOST_IDS:
            raise InvalidParams(f"An archive holds 1 to {MOST_IDS} pictures.")
        found = paths(http, list(dict.fromkeys(wanted)))
        stream = zipstream.ZipStream()
        for one, name in zip(found, _distinct(found), strict=True):
            stream.add(_later(gallery, one, strip or _strips(services)), name)
        headers = {"Content-Disposition": _disposition(_archive_name(services, found), download=True)}
        return StreamingResponse(iter(stream), media_type="application/zip", headers=headers)


def _add_trash(router: APIRouter, services: Services) -> None:
    gallery = services.gallery

    @router.post("/trash")
    def throw_away(some: Some, http: Request) -> Thrown:
        """Puts pictures into the trash."""
        return Thrown(keys=gallery.throw_away(some.ids, owner_of(services, http)))

    @router.get("/trash")
    def trashed(http: Request) -> list[TrashedPicture]:
        """What is in the trash, the newest first."""
        return [TrashedPicture.of(one, root_of(http.scope)) for one in gallery.trashed(owner_of(services, http))]

    @router.get("/trash/{key}/thumbnail", response_class=Response)
    def thumbnail(key: Key, http: Request) -> Response:
        """A small look at a picture in the trash."""
        (one,) = gallery.find_trashed([key], owner_of(services, http))
        return Response(gallery.trashed_thumbnail(one), media_type="image/webp", headers={"Cache-Control": _KEPT})

    @router.post("/trash/restore")
    def restore(keys: Keys, http: Request) -> Done:
        """Brings pictures back to where they were."""
        return Done(pictures=gallery.restore(keys.keys, owner_of(services, http)))

    @router.post("/trash/destroy")
    def destroy(keys: Keys, http: Request) -> Done:
        """Deletes pictures in the trash for good."""
        return Done(pictures=gallery.destroy(keys.keys, owner_of(services, http)))


def _strips(services: Services) -> bool:
    return services.options.view().switch("darkroom_strip_downloads")


def _later(gallery: Gallery, one: Found, strip: bool) -> Iterator[bytes]:
    """The file once it is its turn, so that an archive of any length holds one picture in memory."""
    yield gallery.data(one, strip=strip)


def _distinct(found: Sequence[Found]) -> Iterator[str]:
    """File names, numbered where two pictures of different folders have the same."""
    given: set[str] = set()
    for one in found:
        path = PurePosixPath(one.entry.place.name)
        name, number = path.name, 0
        while name in given:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        given.add(name)
        yield name


def _archive_name(services: Services, found: Sequence[Found]) -> str:
    """By the option grid_zip_filename_pattern, filled in for the first picture."""
    entry = found[0].entry
    restored = params_from_infotext(services.gallery.told(found[0]).infotext)
    apart = ("mode", "checkpoint", "init_images", "mask", "latent_mask")
    values = {name: value for name, value in restored.values.items() if name not in apart}
    first, last = (int(one.entry.seed) if one.entry.seed.isdecimal() else 0 for one in (found[0], found[-1]))
    facts = NameFacts(
        params=make_params(**values),
        seed=first,
        last_seed=last if len(found) > 1 else None,
        index=0,
        width=entry.width,
        height=entry.height,
        model_name=restored.model_name,
        model_hash=restored.model_hash,
        now=datetime.now(),
    )
    pattern = services.options.view().text("grid_zip_filename_pattern") or ARCHIVE_PATTERN
    return f"{file_stem(pattern, facts) or 'pictures'}.zip"


def _disposition(name: str, *, download: bool) -> str:
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\' else "_" for char in name)
    return f"{'attachment' if download else 'inline'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
