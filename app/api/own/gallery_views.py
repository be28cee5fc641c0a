"""How the gallery's pictures look in answers of /api/v1/gallery: by opaque ids, never by where they lie on the server."""

from pydantic import BaseModel

from app.gallery import Found, PixelDifference, SettingPair, Trashed


class GalleryPicture(BaseModel):
    """A picture in the gallery."""

    id: str
    name: str
    """Its file's name."""
    place: str
    """Below its folder, with `/`."""
    format: str
    width: int
    height: int
    size_bytes: int
    modified: float
    """When the file was written, seconds since 1970."""
    prompt: str
    model: str
    sampler: str
    seed: str
    loras: list[str]
    favourite: bool
    rating: int
    """0: none; else 1 to 5."""
    tags: list[str]
    albums: list[str]
    url: str
    thumbnail: str

    @classmethod
    def of(cls, found: Found, root: str) -> "GalleryPicture":
        """From the index; `root` is the prefix that the server lies below."""
        entry, marked, base = found.entry, found.marked, f"{root}/api/v1/gallery/pictures/{found.id}"
        version = entry.content.hex()[:12]  # another file at the same path has another address, so browsers may keep both
        return cls(
            id=found.id,
            name=entry.place.name,
            place=entry.place.relative,
            format=entry.format,
            width=entry.width,
            height=entry.height,
            size_bytes=entry.place.size_bytes,
            modified=entry.place.modified_ns / 1e9,
            prompt=entry.prompt,
            model=entry.model,
            sampler=entry.sampler,
            seed=entry.seed,
            loras=list(entry.loras),
            favourite=marked.favourite,
            rating=marked.rating,
            tags=list(marked.tags),
            albums=list(marked.albums),
            url=f"{base}/file?v={version}",
            thumbnail=f"{base}/thumbnail?v={version}",
        )


class GalleryPage(BaseModel):
    """Some of the matches."""

    pictures: list[GalleryPicture]
    cursor: str | None
    """Asks for the next page; null at the end."""
    total: int | None
    """Of all pages, only with the first one."""
    total_is_least: bool
    """Whether there may be more than `total`: counting ends there."""


class GalleryDetails(GalleryPicture):
    """One picture with its settings, read from its file."""

    infotext: str
    usable: str
    """The infotext with weights of words in A1111's syntax, whatever program made the picture: what the page restores from."""
    chunk: str
    """All settings as JSON, where the file has them; what the page restores exactly from."""


class GalleryChoice(BaseModel):
    """A value to filter by."""

    value: str
    pictures: int


class GalleryFolder(BaseModel):
    """A folder that is looked through."""

    number: int
    """0: the outputs folder."""
    path: str


class GalleryStatus(BaseModel):
    """What the index is doing."""

    total: int
    scanning: bool
    looked_at: int
    read: int
    following: bool
    owner: bool
    """Whether the asker may add folders and make the index anew."""
    strips: bool
    """Whether downloads are without settings by default."""


class Comparison(BaseModel):
    """Two pictures held against each other."""

    settings: list[SettingPair]
    pixels: PixelDifference | None
    """Null: the pictures have different sizes."""
    difference: str | None
    """Address of the differences as a picture."""


class TrashedPicture(BaseModel):
    """A picture in the trash."""

    key: str
    place: str
    """Where it was, below its folder."""
    deleted: float
    thumbnail: str

    @classmethod
    def of(cls, trashed: Trashed, root: str) -> "TrashedPicture":
        """From the trash; `root` as in `GalleryPicture.of`."""
        one = trashed.place
        thumbnail = f"{root}/api/v1/gallery/trash/{one.key}/thumbnail"
        return cls(key=one.key, place=one.relative, deleted=one.deleted, thumbnail=thumbnail)
