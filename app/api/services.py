"""What routes may use; server.py makes these and hands them in."""

from dataclasses import dataclass, field
from functools import partial

from anyio import CapacityLimiter

from app.api.machine import Machine
from app.downloads import Downloads
from app.engine.client import EngineClient
from app.gallery import Gallery, Thumbnails
from app.jobs import Inputs, Jobs, OptionsStore, SavedCopies
from app.model_jobs import ModelJobs
from app.models import Catalog
from app.models.library import Library
from app.prompt import Styles, Tokenizer
from app.schema.settings import ServerSettings


@dataclass(frozen=True, kw_only=True)
class Services:
    """The living parts of the server that routes are built over."""

    settings: ServerSettings
    jobs: Jobs
    inputs: Inputs
    copies: SavedCopies
    options: OptionsStore
    catalog: Catalog
    library: Library
    previews: Thumbnails
    """Of model files."""
    downloads: Downloads
    model_jobs: ModelJobs
    gallery: Gallery
    styles: Styles
    tokenizer: Tokenizer
    engine: EngineClient
    version: str
    patience_s: float = 15.0
    """After so long a waiting answer begins with a blank, and again every so often: proxies cut connections that say nothing."""
    machine: Machine = field(default_factory=Machine)
    enlarging: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    """Turns of enlarging: a large picture takes a gigabyte meanwhile, and who waits for a turn holds no thread."""

    def scope_of(self, client: str) -> str | None:
        """Whose jobs a client may see and change where it names none of its own: everybody's (None) on a server for this machine only,
        because whoever reaches that one is its owner; else its own.
        """
        return client if self.settings.public else None
