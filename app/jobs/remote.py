"""A picture from an address on the internet: never from this machine or its network, never more or longer than the limits."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from app import __version__
from app.remote import Address, Pinned, Rules, is_public, joined, place_of
from app.schema.errors import BadPicture, InvalidParams, TooLarge

MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 20.0
MAX_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Fetch:
    """How far a fetch may go; tests widen it."""

    allowed: Callable[[Address], bool] = is_public
    ports: frozenset[int] = Rules().ports
    max_bytes: int = MAX_BYTES
    max_seconds: float = MAX_SECONDS

    def picture(self, url: str) -> bytes:
        """The bytes at an http or https address; InvalidParams, BadPicture or TooLarge with one sentence.

        A name is resolved once and the connection goes to what was checked; each redirect is checked like the first address.
        """
        ends = time.monotonic() + self.max_seconds
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._get(url, ends)
            if isinstance(answer, bytes):
                return answer
            try:
                url = joined(url, answer)
            except InvalidParams as error:
                raise BadPicture(str(error)) from error
        raise BadPicture("The address leads from one to the next without end.")

    def _get(self, url: str, ends: float) -> bytes | str:
        """The answer's body, or where it redirects to."""
        place = place_of(url, "a picture")
        try:
            address = Rules(self.allowed, self.ports).resolved(place)
        except OSError as error:
            raise BadPicture(f"There is no server {place.host!r}.") from error
        try:
            connection = Pinned(place, address, self._left(ends))
            try:
                headers = {"User-Agent": f"darkroom/{__version__}", "Accept": "image/*, text/plain;q=0.5"}
                connection.request("GET", place.target, headers=headers)
                return self._read(connection, connection.getresponse(), ends)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            raise BadPicture(f"{place.host} cannot be reached, or its answer cannot be read.") from error

    def _read(self, connection: Pinned, answer: http.client.HTTPResponse, ends: float) -> bytes | str:
        if answer.status in _MOVED and (target := answer.getheader("Location")):
            return target
        if answer.status != 200:
            raise BadPicture(f"{connection.host} answers {answer.status} instead of a picture.")
        data = bytearray()
        while True:
            connection.wait(self._left(ends))
            more = answer.read1(_CHUNK_BYTES)
            if not more:
                return bytes(data)
            data += more
            if len(data) > self.max_bytes:
                raise TooLarge(f"The file at that address is over the limit of {self.max_bytes // 1024**2} MB.")

    def _left(self, ends: float) -> float:
        left = ends - time.monotonic()
        if left <= 0:
            raise BadPicture(f"The picture did not come within {self.max_seconds:.0f} seconds.")
        return left
