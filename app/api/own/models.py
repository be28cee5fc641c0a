"""GET /api/v1/models: every checkpoint that was found, those that cannot be loaded too."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.checkpoints import chosen_checkpoint
from app.api.services import Services
from app.models import ModelFile


class Checkpoint(BaseModel):
    """One checkpoint file."""

    title: str
    name: str
    filename: str
    """Below its folder, with `/`: what a job's `checkpoint` may be."""
    size_bytes: int
    hash: str | None
    sha256: str | None
    family: str | None
    native_size_px: int | None
    description: str | None
    """What its author says of it."""
    embedded: bool
    """Whether it comes with Darkroom."""
    problem: str | None
    """Why it cannot be loaded."""
    chosen: bool
    """Whether jobs that name none get it."""

    @classmethod
    def of(cls, file: ModelFile, *, chosen: bool, embedded: bool) -> "Checkpoint":
        """From the catalogue's entry."""
        return cls(
            title=file.title,
            name=file.name,
            filename=file.filename,
            size_bytes=file.size_bytes,
            hash=file.short_hash,
            sha256=file.sha256,
            family=file.facts.family_title if file.facts else None,
            native_size_px=file.facts.native_size_px if file.facts else None,
            description=file.facts.description if file.facts else None,
            embedded=embedded,
            problem=file.problem,
            chosen=chosen,
        )


class Hashing(BaseModel):
    """How far the hashing of the checkpoints is."""

    done_bytes: int
    total_bytes: int
    files_left: int
    current: str | None


class Models(BaseModel):
    """All checkpoints."""

    checkpoints: list[Checkpoint]
    hashing: Hashing


def model_routes(services: Services) -> APIRouter:
    """The list, and looking through the folders again."""
    router = APIRouter(prefix="/models", tags=["models"])

    def listed() -> Models:
        chosen, state = chosen_checkpoint(services), services.catalog.hashing
        files = services.catalog.checkpoints()
        hashing = Hashing(done_bytes=state.done_bytes, total_bytes=state.total_bytes, files_left=state.files_left, current=state.current)
        return Models(
            checkpoints=[
                Checkpoint.of(
                    file,
                    chosen=chosen is not None and file.path == chosen.path,
                    embedded=file.comes_along,
                )
                for file in files
            ],
            hashing=hashing,
        )

    @router.get("")
    def models() -> Models:
        """All checkpoints as the last look found them."""
        return listed()

    @router.post("/refresh")
    def refresh() -> Models:
        """Looks through the folders again."""
        services.catalog.refresh()
        return listed()

    return router
