"""A picture from an address on the internet: never from this machine or its network, never more or longer than the limits."""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from app import __version__
from app.schema.errors import BadPicture, InvalidParams, TooLarge

MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 20.0
MAX_REDIRECTS = 5
MAX_URL_CHARS = 4000
_PORTS = {"http": 80, "https": 443}
_MOVED = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, also where IPv6 only wraps an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in ipaddress.IPv6Network("64:ff9b::/96"):  # NAT64
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved)


@dataclass(frozen=True)
class Fetch:
    """How far a fetch may go; tests widen it."""

    allowed: Callable[[Address], bool] = is_public
    ports: frozenset[int] = frozenset(_PORTS.values())
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
            url = _joined(url, answer)
        raise BadPicture("The address leads from one to the next without end.")

    def _get(self, url: str, ends: float) -> bytes | str:
        """The answer's body, or where it redirects to."""
        parts, host, port = _split(url)
        address = self._resolved(host, port)
        try:
            connection = _Pinned(host, port, address, parts.scheme == "https", self._left(ends))
            try:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", path, headers={"User-Agent": f"darkroom/{__version__}", "Accept": "image/*, text/plain;q=0.5"})
                return self._read(connection, connection.getresponse(), ends)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            raise BadPicture(f"{host} cannot be reached, or its answer cannot be read.") from error

    def _read(self, connection: "_Pinned", answer: http.client.HTTPResponse, ends: float) -> bytes | str:
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

    def _resolved(self, host: str, port: int) -> str:
        """The address to connect to; InvalidParams if any that the name stands for may not be asked."""
        if port not in self.ports:
            raise InvalidParams("Pictures are fetched from the usual ports of http and https only.")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise BadPicture(f"There is no server {host!r}.") from error
        texts = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not texts or not all(self.allowed(ipaddress.ip_address(text)) for text in texts):
            raise InvalidParams("That address is of this machine or its network; pictures are fetched from the public internet only.")
        return texts[0]


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise BadPicture("The address leads to one that cannot be read.") from error


def _split(url: str) -> tuple[SplitResult, str, int]:
    """(the address's parts, server, port); InvalidParams for what is no address of a picture."""
    wrong = "The address of a picture should begin with http:// or https:// and name a server."
    if len(url) > MAX_URL_CHARS or not url.isprintable():
        raise InvalidParams(wrong)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidParams(wrong) from error
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise InvalidParams(wrong)
    return parts, host, port or _PORTS[parts.scheme]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever its name may stand for by now."""

    def __init__(self, host: str, port: int, address: str, secure: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address, self._secure = address, secure

    def connect(self) -> None:
        """Connects, and checks the certificate against the name."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        self._opened = self.sock

    def wait(self, seconds: float) -> None:
        """No next read waits longer; http.client forgets the socket where the server will close it, so we keep it."""
        self._opened.settimeout(seconds)
