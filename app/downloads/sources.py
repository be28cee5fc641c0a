"""From what somebody typed to a file that can be had: a page or version of Civitai, a hash, a file at Hugging Face, any address.

Civitai's API: https://developer.civitai.com/docs/api/public-rest. Hugging Face: the address of a file's page with `blob` is that of
the file with `resolve`; its answer carries the file's sha256 as `X-Linked-Etag`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

from app.downloads.ask import MAX_JSON_BYTES, Busy, Way, asked
from app.downloads.errors import DownloadFailed
from app.models.folders import Kind
from app.remote import place_of, taken_apart
from app.schema.errors import InvalidParams

_HASH = re.compile(r"[0-9a-fA-F]{8,64}")
_MODEL = re.compile(r"/models/([0-9]+)")
_VERSION = re.compile(r"/api/download/models/([0-9]+)")
_HUGGING_FACE_FILE = re.compile(r"/([^/]+/[^/]+)/(?:blob|resolve)/([^/]+)/(.+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
CIVITAI_KINDS: Mapping[str, Kind] = {
    "Checkpoint": "checkpoint", "LORA": "lora", "LoCon": "lora", "DoRA": "lora", "TextualInversion": "embedding", "Hypernetwork":
    "hypernetwork", "VAE": "vae", "Upscaler": "upscaler",
}  # fmt: skip
_TOKEN = "token"
_TOKEN_TEXT = re.compile(r"[\x21-\x7e]{1,500}")


@dataclass(frozen=True)
class Sites:
    """Where the two sites are, and what they want to see; tests have their own."""

    civitai: str = "https://civitai.com"
    hugging_face: str = "https://huggingface.co"
    civitai_token: str | None = field(default=None, repr=False)
    hugging_face_token: str | None = field(default=None, repr=False)

    def token(self, url: str) -> str | None:
        """The token for an address; only for the site that gave it."""
        host = taken_apart(url).netloc
        tokens = {taken_apart(self.civitai).netloc: self.civitai_token, taken_apart(self.hugging_face).netloc: self.hugging_face_token}
        return tokens.get(host)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A file that can be had."""

    url: str
    name: str = ""
    """As its site calls it; empty where only the answer will tell."""
    kind: Kind | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    page: str = ""
    """Where people read about it."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What Civitai says of the version: kept beside the file."""


def check_wish(typed: str, sites: Sites, way: Way) -> None:
    """InvalidParams for what cannot be a file, as far as it can be told without asking anybody."""
    if _HASH.fullmatch(typed):
        return
    parts = taken_apart(typed)
    if parts.scheme not in ("http", "https"):
        raise InvalidParams("Give the address of a file, of a page at Civitai, or a file's hash.")
    place = place_of(typed, "a file")
    if not place.secure and not way.plain_http:
        raise InvalidParams(f"{place.host} would send the file without TLS (http). Only https addresses are used.")
    if parts.netloc == taken_apart(sites.civitai).netloc:
        if not (_VERSION.fullmatch(parts.path) or _MODEL.match(parts.path) or _version_in(parts.query)):
            raise InvalidParams("Give the address of a model's page at Civitai, or of one of its versions.")
    elif parts.netloc == taken_apart(sites.hugging_face).netloc and not _HUGGING_FACE_FILE.fullmatch(parts.path):
        raise InvalidParams("Give the address of one file at Hugging Face (.../blob/main/NAME.safetensors).")


def find_offer(typed: str, sites: Sites, way: Way) -> Offer:
    """The file that was meant. InvalidParams for what is no address and no hash; DownloadFailed where a site does not know it."""
    typed = typed.strip()
    check_wish(typed, sites, way)
    if _HASH.fullmatch(typed):
        return _version(sites, way, f"/api/v1/model-versions/by-hash/{typed}", typed)
    parts = taken_apart(typed)
    if parts.netloc == taken_apart(sites.civitai).netloc:
        return _from_civitai(typed, sites, way)
    found = _HUGGING_FACE_FILE.fullmatch(parts.path)
    if found is not None and parts.netloc == taken_apart(sites.hugging_face).netloc:
        repository, revision, path = found.groups()
        url = f"{sites.hugging_face}/{repository}/resolve/{revision}/{path}"
        sha256 = _linked_hash(url, sites, way)
        return Offer(url=url, name=path.rpartition("/")[2], sha256=sha256, page=f"{sites.hugging_face}/{repository}")
    return Offer(url=typed)


def split_token(url: str, sites: Sites) -> tuple[str, str | None]:
    """An address of Civitai without the token that it takes as a part of it, and that token; other addresses as they are."""
    parts = taken_apart(url)
    if parts.netloc != taken_apart(sites.civitai).netloc:
        return url, None
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    token = next((value for name, value in pairs if name.lower() == _TOKEN and value), None)
    if token is not None and not _TOKEN_TEXT.fullmatch(token):
        raise InvalidParams("The token in that address is none.")
    return urlunsplit(parts._replace(query=urlencode([pair for pair in pairs if pair[0].lower() != _TOKEN]))), token


def shown_address(url: str) -> str:
    """An address as a list shows it: what follows the path may be a secret."""
    parts = taken_apart(url)
    return urlunsplit(parts._replace(query="", fragment="")) if parts.netloc else url


def _from_civitai(typed: str, sites: Sites, way: Way) -> Offer:
    parts = taken_apart(typed)
    query = dict(parse_qsl(parts.query))
    if found := _VERSION.fullmatch(parts.path):
        offer = _version(sites, way, f"/api/v1/model-versions/{found[1]}", found[1])
        asked_for = {name: value for name, value in query.items() if name in ("type", "format", "size", "fp")}
        return replace(offer, url=f"{sites.civitai}{parts.path}?{urlencode(asked_for)}", sha256=None) if asked_for else offer
    if version := _version_in(parts.query):
        return _version(sites, way, f"/api/v1/model-versions/{version}", version)
    page = _MODEL.match(parts.path)
    assert page is not None, "check_wish lets nothing else through"
    number = page[1]
    model = _json(sites, way, f"/api/v1/models/{number}")
    versions = [v for v in model.get("modelVersions", []) if isinstance(v, dict)]
    if not versions:
        raise DownloadFailed(f"Civitai's model {number} has no file to be had.")
    return _offer(sites, versions[0] | {"model": {"name": model.get("name"), "type": model.get("type")}, "modelId": int(number)})


def _version_in(query: str) -> str:
    version = dict(parse_qsl(query)).get("modelVersionId", "")
    return version if version.isascii() and version.isdecimal() else ""


def _version(sites: Sites, way: Way, path: str, asked_for: str) -> Offer:
    return _offer(sites, _json(sites, way, path), asked_for if _HASH.fullmatch(asked_for) else "")


def _offer(sites: Sites, version: Mapping[str, Any], wanted_hash: str = "") -> Offer:
    """The version's file of that hash, else its first one."""
    files = [file for file in version.get("files", []) if isinstance(file, dict) and isinstance(file.get("downloadUrl"), str)]
    if not files:
        raise DownloadFailed("Civitai names no file for this version; it may be for early supporters only, or gone.")
    hashes = {id(file): {str(value).lower() for value in (file.get("hashes") or {}).values()} for file in files}
    exact = next((file for file in files if wanted_hash and wanted_hash.lower() in hashes[id(file)]), None)
    file = exact or next((file for file in files if file.get("primary")), files[0])
    model = version.get("model") or {}
    sha256 = str((file.get("hashes") or {}).get("SHA256") or "").lower()
    size = file.get("sizeKB")
    return Offer(
        url=str(file["downloadUrl"]),
        name=str(file.get("name") or ""),
        kind="vae" if file.get("type") == "VAE" else CIVITAI_KINDS.get(str(model.get("type"))),
        sha256=sha256 if _SHA256.fullmatch(sha256) else None,
        size_bytes=int(size * 1024) if isinstance(size, int | float) else None,
        page=f"{sites.civitai}/models/{version.get('modelId')}?modelVersionId={version.get('id')}",
        about=version,
    )


def _linked_hash(url: str, sites: Sites, way: Way) -> str | None:
    """The sha256 that Hugging Face tells of a large file."""
    try:
        with asked(url, way, {"Range": "bytes=0-0"}, sites.hugging_face_token) as answer:
            told = (answer.told("X-Linked-Etag") or "").strip('"')
    except (Busy, OSError, HTTPException):
        return None
    return told if _SHA256.fullmatch(told) else None


def _json(sites: Sites, way: Way, path: str) -> dict[str, Any]:
    try:
        with asked(sites.civitai + path, way, {"Accept": "application/json"}, sites.civitai_token) as answer:
            data = answer.response.read(MAX_JSON_BYTES + 1)
    except Busy as busy:
        raise DownloadFailed(str(busy)) from busy
    except (OSError, HTTPException) as error:
        raise DownloadFailed(f"Civitai cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__}).") from error
    try:
        said = json.loads(data) if len(data) <= MAX_JSON_BYTES else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise DownloadFailed("Civitai answered with something that cannot be read.")
    return said
