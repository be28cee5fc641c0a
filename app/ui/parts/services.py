"""What the page is built over; server.py makes these and hands them in."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from app.jobs import Jobs, OptionsStore
from app.models.catalog import Catalog
from app.prompt import Styles
from app.schema.settings import ServerSettings


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """The living parts of the server that the page may use."""

    settings: ServerSettings
    jobs: Jobs
    options: OptionsStore
    catalog: Catalog
    styles: Styles
    client_of: Callable[[HTTPConnection], str]
    """Whose jobs a request may see and stop; the page's are found again by it after a reload."""
    user_of: Callable[[HTTPConnection], str]
    """The name that whoever asks has signed in with, or nothing."""
    version: str
