"""/api/v1/models/downloads: models from Civitai, Hugging Face or an address, into their folders.

They belong to who asked for them, as jobs do: on a server for this machine only whoever asks is its owner and sees and stops all.
"""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.api.client import client_of
from app.api.services import Services
from app.downloads import Download
from app.models.folders import Kind
from app.schema.errors import NotSupported

MAX_ASKED_CHARS = 4000


class DownloadEntry(BaseModel):
    """One download as the list shows it."""

    id: str
    asked: str
    """What was typed, without what may be a secret."""
    name: str
    kind: Kind | None
    state: str
    done_bytes: int
    total_bytes: int | None
    bytes_per_s: float
    left_s: float | None
    error: str
    file: str
    """Its name in its folder, once it is there."""
    page: str

    @classmethod
    def of(cls, download: Download) -> "DownloadEntry":
        """From the list's entry."""
        return cls(
            id=download.id, asked=download.shown, name=download.name, kind=download.kind, state=download.state,
            done_bytes=download.done_bytes, total_bytes=download.total_bytes, bytes_per_s=round(download.bytes_per_s),
            left_s=download.left_s, error=download.error, file=download.file, page=download.page,
        )  # fmt: skip


class DownloadList(BaseModel):
    """The asker's downloads, the newest first."""

    allowed: bool
    """Whether this server downloads models at all."""
    downloads: list[DownloadEntry]


class Wish(BaseModel):
    """A file to be had."""

    url: str = Field(min_length=1, max_length=MAX_ASKED_CHARS)
    """A page or version at Civitai, a file at Hugging Face, any address, or a hash."""
    kind: Kind | None = Field(None, description="What it is, where the file itself and its site do not tell.")


def download_routes(services: Services) -> APIRouter:
    """Everything below /api/v1/models/downloads."""
    router = APIRouter(prefix="/models/downloads", tags=["models"])
    downloads = services.downloads

    def allowed() -> None:
        if not services.settings.downloads_models:
            raise NotSupported("This server does not download models; its owner can allow it with --download-models on.")

    def own(http: Request, download_id: str) -> str:
        """The id, once it is clear that this download is the asker's to change."""
        allowed()
        return downloads.get(download_id, services.scope_of(client_of(http))).id

    @router.get("")
    def look(http: Request) -> DownloadList:
        """Every download of the asker that the list remembers."""
        entries = [DownloadEntry.of(download) for download in downloads.all(services.scope_of(client_of(http)))]
        return DownloadList(allowed=services.settings.downloads_models, downloads=entries)

    @router.post("", status_code=202)
    def add(wish: Wish, http: Request) -> DownloadEntry:
        """Begins a download; the same wish twice is one."""
        allowed()
        return DownloadEntry.of(downloads.add(wish.url, wish.kind, client_of(http)))

    @router.post("/{download_id}/pause")
    def pause(download_id: str, http: Request) -> DownloadEntry:
        """Holds it back; what has come is kept."""
        return DownloadEntry.of(downloads.pause(own(http, download_id)))

    @router.post("/{download_id}/resume")
    def resume(download_id: str, http: Request) -> DownloadEntry:
        """Goes on with one that is paused or has failed."""
        return DownloadEntry.of(downloads.resume(own(http, download_id)))

    @router.delete("/{download_id}", status_code=204)
    def remove(download_id: str, http: Request) -> None:
        """Takes it off the list and forgets what has come of it; a file that is there whole stays."""
        downloads.remove(own(http, download_id))

    return router
