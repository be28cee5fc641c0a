"""A server on this machine that answers as Civitai, Hugging Face and their stores of files do, with their faults."""

import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from app.downloads import Limits
from app.downloads.ask import Way
from app.remote import Rules

PART_BYTES = 64 * 1024
VERSION_PATH, FILE_PATH = "/api/v1/model-versions/7", "/api/download/models/7"


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
    whole: int = 0
    """So many answers that would be cut come whole first."""
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
        if cut is not None and site.whole > 0:
            site.whole -= 1
        elif cut is not None:
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


@contextmanager
def running_site() -> Iterator[Site]:
    """The server, until the end of the block."""
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


def limits_for(port: int, first_wait_s: float = 0.01) -> Limits:
    """Limits that let files be fetched from a server on this machine, in small parts and without patience."""
    rules = Rules(allowed=lambda address: str(address) == "127.0.0.1", ports=frozenset({port}))
    way = Way(rules=rules, plain_http=True, timeout_s=10)
    return Limits(way=way, part_bytes=PART_BYTES, first_wait_s=first_wait_s, tries=4)


def version(site: Site, data: bytes, name: str = "some lora.safetensors", kind: str = "LORA") -> dict[str, Any]:
    """What Civitai says of a version."""
    file = {"name": name, "type": "Model", "sizeKB": len(data) / 1024, "primary": True, "downloadUrl": site.url + FILE_PATH}
    return {
        "id": 7, "modelId": 3, "name": "v1", "trainedWords": ["something"], "model": {"name": "Some", "type": kind},
        "files": [{**file, "hashes": {"SHA256": digest(data).upper(), "AutoV2": digest(data)[:10].upper()}}],
    }  # fmt: skip


def offered(site: Site, data: bytes, **about: str) -> None:
    site.pages[VERSION_PATH] = version(site, data, **about)
    site.pages[f"/api/v1/model-versions/by-hash/{digest(data)[:10]}"] = site.pages[VERSION_PATH]
    site.pages["/api/v1/models/3"] = {"name": "Some", "type": "LORA", "modelVersions": [site.pages[VERSION_PATH]]}
    site.redirects[FILE_PATH] = "/store/7"
    site.files["/store/7"] = data


def digest(data: bytes) -> str:
    """sha256."""
    return hashlib.sha256(data).hexdigest()
