"""URLs and the addresses they stand for: what may be asked at all."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from app.schema.errors import InvalidParams

MAX_URL_CHARS = 4000
PORTS = {"http": 80, "https": 443}
SPELLED = "%/:@!$&'()*+,;=~-._?"
"""What a path or a query may hold as it is (RFC 3986)."""
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
class Place:
    """A URL taken apart."""

    parts: SplitResult
    host: str
    port: int

    @property
    def secure(self) -> bool:
        """Whether it is asked through TLS."""
        return self.parts.scheme == "https"

    @property
    def target(self) -> str:
        """Path and query, as a request names them: blanks and letters beyond ASCII escaped, what is escaped already left alone."""
        path, query = (quote(part, safe=SPELLED) for part in (self.parts.path or "/", self.parts.query))
        return path + (f"?{query}" if query else "")


def place_of(url: str, what: str) -> Place:
    """The parts of a URL; InvalidParams for what is none of `what` ("a picture", say)."""
    wrong = f"The address of {what} should begin with http:// or https:// and name a server."
    if len(url) > MAX_URL_CHARS or not url.isprintable():
        raise InvalidParams(wrong)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidParams(wrong) from error
    if parts.scheme not in PORTS or not host or parts.username is not None:
        raise InvalidParams(wrong)
    return Place(parts, host, port or PORTS[parts.scheme])


def taken_apart(url: str) -> SplitResult:
    """The parts of what may be a URL; InvalidParams where it looks like one and is none (`http://[x`)."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise InvalidParams("That is no address.") from error


def joined(url: str, target: str) -> str:
    """Where a redirect leads; InvalidParams where that cannot be read."""
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise InvalidParams("The address leads to one that cannot be read.") from error
