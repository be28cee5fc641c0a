"""A server on this machine that answers as Civitai, Hugging Face and their stores of files do, with their faults."""

import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.downloads import Limits, Sites
from app.downloads.ask import Way
from app.remote import Rules
from tests.support.model_files import write_shapes

PART_BYTES = 64 * 1024


@dataclass
class Site:
    """What the server has, how it behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, Any] = field(default_factory=dict)
    """JSON answers by path."""
    redirects: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further headers by path."""
    ranges: bool = True
    cut_after: int | None = None
    """Each answer ends after so many bytes, as long as there are cuts left."""
    cuts: int = 0
    busy: int = 0
    """So many requests are answered 429 first."""
    token: str | None = None
    stamp: str = '"one"'
    slow: threading.Event | None = None
    """Answers wait for it after their first bytes."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent(self) -> Counter[str]:
        return Counter(path for path, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site, path = self.site, urlsplit(self.path).path
        site.asked.append((self.path, dict(self.headers)))
        if site.busy > 0:
            site.busy -= 1
            self._head(429, {"Retry-After": "0"})
        elif site.token and self.headers.get("Authorization") != f"Bearer {site.token}" and path not in site.files:
            self._head(401, {})
        elif path in site.redirects:
            self._head(302, {"Location": site.redirects[path], **site.headers.get(path, {})})
        elif path in site.pages:
            self._body(200, json.dumps(site.pages[path]).encode(), {})
        elif path in site.files:
            self._file(site.files[path], site.headers.get(path, {}))
        else:
            self._head(404, {})

    def _file(self, data: bytes, headers: dict[str, str]) -> None:
        wanted = self.headers.get("Range")
        changed = self.headers.get("If-Range") not in (None, self.site.stamp)
        if wanted and self.site.ranges and not changed:
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            span = f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"
            self._body(206, data[first : last + 1], {"Content-Range": span, "ETag": self.site.stamp, **headers})
        else:
            self._body(200, data, {"ETag": self.site.stamp, **headers})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self._body(status, b"", headers)

    def _body(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        site = self.site
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = site.cut_after if site.cuts > 0 and site.cut_after is not None and len(data) > site.cut_after else None
        if cut is not None:
            site.cuts -= 1
            self.wfile.write(data[:cut])
            self.close_connection = True
            return
        if site.slow is not None and len(data) > 1:
            self.wfile.write(data[:1])
            self.wfile.flush()
            site.slow.wait(30)
            data = data[1:]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    handler = type("Handler", (_Handler,), {"site": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    if made.slow is not None:
        made.slow.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def way(site: Site) -> Way:
    rules = Rules(allowed=lambda address: str(address) == "127.0.0.1", ports=frozenset({site.port}))
    return Way(rules=rules, plain_http=True, timeout_s=10)


@pytest.fixture
def limits(way: Way) -> Limits:
    return Limits(way=way, part_bytes=PART_BYTES, first_wait_s=0.01, tries=4)


@pytest.fixture
def sites(site: Site) -> Sites:
    return Sites(civitai=site.url, hugging_face="http://127.0.0.1:1", civitai_token=None)


@pytest.fixture
def lora(tmp_path: Path) -> bytes:
    """A small file that is a LoRA by its tensors, of several parts."""
    shapes = {"lora_unet_x.lora_up.weight": (400, 400), "lora_unet_x.lora_down.weight": (8, 400)}
    return write_shapes(tmp_path / "made" / "lora.safetensors", shapes).read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
