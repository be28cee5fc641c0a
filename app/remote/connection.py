"""A connection to an address that was checked."""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from app.remote.addresses import PORTS, Address, Place, is_public
from app.schema.errors import InvalidParams


@dataclass(frozen=True)
class Rules:
    """Which addresses and ports may be asked; tests widen it."""

    allowed: Callable[[Address], bool] = is_public
    ports: frozenset[int] = frozenset(PORTS.values())

    def resolved(self, place: Place) -> str:
        """The address to connect to; InvalidParams if any that the name stands for may not be asked, OSError for a name of nobody's."""
        if place.port not in self.ports:
            raise InvalidParams("Files are fetched from the usual ports of http and https only.")
        try:
            found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"no server {place.host!r}") from error
        texts = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not texts or not all(self.allowed(ipaddress.ip_address(text)) for text in texts):
            raise InvalidParams("That address is of this machine or its network; files are fetched from the public internet only.")
        return texts[0]


class Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever its name may stand for by now."""

    def __init__(self, place: Place, address: str, timeout: float) -> None:
        """`address`: from `Rules.resolved`."""
        super().__init__(place.host, place.port, timeout=timeout)
        self._address, self._secure = address, place.secure

    def connect(self) -> None:
        """Connects, and checks the certificate against the name."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        self._opened = self.sock

    def wait(self, seconds: float) -> None:
        """No next read waits longer; http.client forgets the socket where the server will close it, so we keep it."""
        self._opened.settimeout(seconds)
