"""Fetching a picture from an address: from a real server, with every trick that an address can try."""

import ipaddress
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.jobs.remote import Fetch
from app.remote import is_public
from app.schema.errors import BadPicture, InvalidParams, TooLarge


class Answers(BaseHTTPRequestHandler):
    """Pictures, redirects, bodies without end."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/") or "/to/")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/nothing" else 200)
        self.end_headers()
        if self.path == "/large":
            self.wfile.write(bytes(300_000))
        elif self.path == "/slow":
            for _ in range(20):
                self.wfile.write(b"x")
                time.sleep(0.1)
        else:
            self.wfile.write(b"a picture")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def here(port: int, **more: float) -> Fetch:
    """A fetch that may ask this machine on that port."""
    return Fetch(allowed=lambda _: True, ports=frozenset({port, 80}), **more)  # type: ignore[arg-type]  # limits are numbers


def test_a_picture_comes_also_over_redirects(port: int) -> None:
    assert here(port).picture(f"http://localhost:{port}/a.png?b=1") == b"a picture"
    assert here(port).picture(f"http://127.0.0.1:{port}/to//b.png") == b"a picture"


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/nothing", BadPicture, "answers 404"),
        ("/to/", BadPicture, "without end"),
        ("/large", TooLarge, "over the limit"),
        ("/slow", BadPicture, "within 1 seconds|cannot be reached"),
        ("/to/ftp://127.0.0.1/", InvalidParams, "http"),
        ("/to/file:///etc/passwd", InvalidParams, "http"),
        ("/to/http://127.0.0.1:1/", InvalidParams, "usual ports"),
    ],
)
def test_what_is_refused_on_the_way(port: int, path: str, error: type[Exception], words: str) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=words):
        here(port, max_bytes=100_000, max_seconds=1).picture(f"http://127.0.0.1:{port}{path}")
    assert time.monotonic() - began < 10


def test_a_redirect_into_the_private_network_is_refused(port: int) -> None:
    only_this = ipaddress.ip_address("127.0.0.1")
    fetch = Fetch(allowed=lambda address: address == only_this, ports=frozenset({port, 80}))
    with pytest.raises(InvalidParams, match="public internet only"):
        fetch.picture(f"http://127.0.0.1:{port}/to/http://127.0.0.2:{port}/")


NO_ADDRESSES = """
a.png
ftp://example.org/
http://
http://user@example.org/
http://example.org:99999/
http://exa mple.org/
http://[
https://example.org:22/
http://nobody.invalid/
http://a..b/
http://\u2100.org:80/
"""
THIS_MACHINE = "127.0.0.1 localhost 10.0.0.1 192.168.1.1 169.254.169.254 0.0.0.0 [::1] [::ffff:127.0.0.1] 2130706433 [fe80::1]"


@pytest.mark.parametrize("url", [*NO_ADDRESSES.split("\n"), "http://a\r\nHost: x/", "http://" + "a" * 5000])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises((InvalidParams, BadPicture)) as caught:
        Fetch().picture(url)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("host", THIS_MACHINE.split())
def test_this_machine_and_its_network_are_not_asked(host: str) -> None:
    with pytest.raises((InvalidParams, BadPicture)):
        Fetch().picture(f"http://{host}/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("172.16.0.1", False), ("100.64.0.1", False), ("224.0.0.1", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("::ffff:8.8.8.8", True),
        ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public
