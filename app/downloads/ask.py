"""One question to a server, redirects followed and checked."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from app import __version__
from app.downloads.errors import DownloadFailed, NeedsToken
from app.remote import Pinned, Rules, joined, place_of

MAX_REDIRECTS = 8
TIMEOUT_S = 30.0
MAX_JSON_BYTES = 8 * 2**20
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Way:
    """How the internet is asked."""

    rules: Rules = field(default_factory=Rules)
    plain_http: bool = False
    """Whether addresses without TLS are asked; for tests."""
    timeout_s: float = TIMEOUT_S
    """Longest silence."""


class Busy(Exception):
    """The server asks for patience."""

    def __init__(self, host: str, status: int, after_s: float | None) -> None:
        super().__init__(f"{host} is busy (it answers {status}). Try again later.")
        self.after_s = after_s


@dataclass(frozen=True)
class Answer:
    """An open answer."""

    connection: Pinned
    response: http.client.HTTPResponse
    host: str
    on_the_way: tuple[http.client.HTTPMessage, ...] = ()
    """Headers of the redirects that led here."""

    def told(self, name: str) -> str | None:
        """A header of this answer or of a redirect before it, the earliest first."""
        return next((value for headers in (*self.on_the_way, self.response.headers) if (value := headers.get(name))), None)

    def header(self, name: str) -> str | None:
        """One of its headers."""
        return self.response.getheader(name)


@contextmanager
def asked(url: str, way: Way, headers: Mapping[str, str], token: str | None = None) -> Iterator[Answer]:
    """The answer (200 or 206) of the last of the redirects. The token is shown to the first server only.

    Raises InvalidParams for an address that may not be asked, NeedsToken, Busy, DownloadFailed, OSError.
    """
    first, on_the_way = place_of(url, "a file").host, list[http.client.HTTPMessage]()
    for _ in range(MAX_REDIRECTS + 1):
        place = place_of(url, "a file")
        if not place.secure and not way.plain_http:
            raise DownloadFailed(f"{place.host} would send the file without TLS (http). Only https addresses are used.")
        sent = {"User-Agent": f"darkroom/{__version__}", "Accept-Encoding": "identity", **headers}
        if token and place.host == first:
            sent["Authorization"] = f"Bearer {token}"
        connection, response = Pinned(place, _resolved(way, place.host, url), way.timeout_s), None
        try:
            connection.request("GET", place.target, headers=sent)
            response = connection.getresponse()
            target = response.getheader("Location")
            if response.status in _MOVED and target:
                url = joined(url, target)
                on_the_way.append(response.headers)
                continue
            _check(response, place.host)
            yield Answer(connection, response, place.host, tuple(on_the_way))
            return
        finally:
            if response is not None:
                response.close()  # it holds the socket where the server ends the connection
            connection.close()
    raise DownloadFailed("The address leads from one to the next without end.")


def _resolved(way: Way, host: str, url: str) -> str:
    try:
        return way.rules.resolved(place_of(url, "a file"))
    except OSError as error:
        raise DownloadFailed(f"There is no server {host!r}, or this machine is not connected.") from error


def _check(response: http.client.HTTPResponse, host: str) -> None:
    status = response.status
    if status in (401, 403):
        raise NeedsToken(f"{host} wants to know who asks (it answers {status}): set a token for it, and accept the model's terms there.")
    if status in (429, 503):
        after = response.getheader("Retry-After") or ""
        raise Busy(host, status, float(after) if after.isdigit() else None)
    if status == 404:
        raise DownloadFailed(f"{host} has no such file (it answers 404).")
    if status not in (200, 206):
        raise DownloadFailed(f"{host} answers {status} instead of the file.")
