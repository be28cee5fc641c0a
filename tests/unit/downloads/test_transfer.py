"""One file: in parts, resumed after cuts, compared with what was promised; and every way in which it may not come."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from app.downloads import Limits, Wanted, fetch
from app.downloads.ask import Way
from app.downloads.errors import DownloadFailed, NeedsToken, Stopped, WrongFile
from app.downloads.transfer import part_files
from app.remote import Rules
from app.schema.disk import DiskFull
from app.schema.errors import InvalidParams
from tests.support.download_site import PART_BYTES, Site, digest

DATA = bytes(range(256)) * 1024  # four parts
PATH = "/some/file.safetensors"


@pytest.fixture
def wanted(site: Site, tmp_path: Path) -> Wanted:
    site.files[PATH] = DATA
    return Wanted(url=site.url + PATH, folder=tmp_path / "models", key="one")


def get(wanted: Wanted, limits: Limits, stopped=lambda: False, seen: list | None = None) -> bytes:
    fetched = fetch(wanted, limits, lambda done, total: seen.append((done, total)) if seen is not None else None, stopped)
    return fetched.path.read_bytes()


def test_a_file_comes_in_parts_and_is_whole(site: Site, wanted: Wanted, limits: Limits) -> None:
    seen: list[tuple[int, int | None]] = []
    assert get(replace(wanted, sha256=digest(DATA)), limits, seen=seen) == DATA
    assert len(DATA) == 4 * PART_BYTES and site.sent()[PATH] == 5  # the first byte, then four parts
    assert max(done for done, _ in seen) == len(DATA) and {total for _, total in seen} == {len(DATA)}


def test_cuts_in_the_middle_are_mended(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.cut_after, site.cuts = 1000, 3
    assert get(replace(wanted, sha256=digest(DATA)), limits) == DATA


def test_a_stopped_download_goes_on_where_it_was(site: Site, wanted: Wanted, limits: Limits) -> None:
    """As after the server's end: only what is missing is asked for again."""
    one_by_one = replace(limits, connections=1)
    with pytest.raises(Stopped):
        get(wanted, one_by_one, stopped=lambda: site.sent()[PATH] > 3)
    site.asked.clear()
    assert get(replace(wanted), limits) == DATA
    asked = [headers["Range"] for _, headers in site.asked]
    assert f"bytes=0-{PART_BYTES - 1}" not in asked and len(asked) < 5


def test_a_file_that_changed_meanwhile_begins_anew(site: Site, wanted: Wanted, limits: Limits) -> None:
    with pytest.raises(Stopped):
        get(wanted, replace(limits, connections=1), stopped=lambda: site.sent()[PATH] > 3)
    site.files[PATH], site.stamp = DATA[::-1], '"two"'
    assert get(wanted, limits) == DATA[::-1]


def test_a_server_without_parts(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.ranges = False
    site.cut_after, site.cuts = 1000, 2  # the first is the question for the first byte
    assert get(replace(wanted, sha256=digest(DATA)), limits) == DATA


def test_a_busy_server_is_waited_for(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.busy = 3
    assert get(wanted, limits) == DATA
    site.busy = 100
    with pytest.raises(DownloadFailed, match="busy"):
        get(wanted, limits)


def test_what_is_not_what_was_promised_is_not_kept(wanted: Wanted, limits: Limits) -> None:
    with pytest.raises(WrongFile, match="sha256"):
        get(replace(wanted, sha256="0" * 64), limits)
    assert not any(path.exists() for path in part_files(wanted))


def test_a_name_from_the_server_is_no_path(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.headers[PATH] = {"Content-Disposition": 'attachment; filename="../../etc/evil.safetensors"'}
    assert fetch(wanted, limits, lambda *_: None, lambda: False).name == "evil.safetensors"
    site.headers[PATH] = {"Content-Disposition": "attachment; filename*=UTF-8''%E7%8C%AB.safetensors"}
    assert fetch(wanted, limits, lambda *_: None, lambda: False).name == "猫.safetensors"


def test_a_token_goes_to_its_own_server_only(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.redirects["/api/download/models/1"] = f"http://localhost:{site.port}{PATH}"
    wider = replace(limits, way=replace(limits.way, rules=replace(limits.way.rules, allowed=lambda address: address.is_loopback)))
    site.token = "secret"
    assert get(replace(wanted, url=f"{site.url}/api/download/models/1", token="secret"), wider) == DATA
    for path, headers in site.asked:
        assert (headers.get("Authorization") == "Bearer secret") == path.startswith("/api")
    with pytest.raises(NeedsToken, match="set a token"):
        get(replace(wanted, url=f"{site.url}/api/download/models/1"), wider)


def test_a_full_disk(wanted: Wanted, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(DiskFull, match="GB more than the disk has free"):
        get(wanted, limits)


def test_too_large_a_file(wanted: Wanted, limits: Limits) -> None:
    with pytest.raises(DownloadFailed, match="are not fetched"):
        get(wanted, replace(limits, max_bytes=1000))


def test_addresses_that_may_not_be_asked(site: Site, wanted: Wanted, limits: Limits) -> None:
    tight = replace(limits, way=Way(plain_http=True, rules=Rules(ports=frozenset({80, site.port}))))
    for url in (wanted.url, "http://127.0.0.1/x.safetensors", "http://169.254.169.254/x", "http://[::1]/x"):
        with pytest.raises(InvalidParams, match="public internet"):
            get(replace(wanted, url=url), tight)
    for url in ("file:///etc/passwd", "ftp://example.org/x", "nothing", "https://user:word@example.org/x"):
        with pytest.raises(InvalidParams):
            get(replace(wanted, url=url), limits)
    with pytest.raises(DownloadFailed, match="without TLS"):
        get(wanted, replace(limits, way=replace(limits.way, plain_http=False)))


def test_redirects_are_checked_and_end(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.redirects["/inside"] = "http://10.0.0.1/x.safetensors"
    with pytest.raises(InvalidParams):
        get(replace(wanted, url=f"{site.url}/inside"), limits)
    site.redirects["/round"] = "/round"
    with pytest.raises(DownloadFailed, match="without end"):
        get(replace(wanted, url=f"{site.url}/round"), limits)


def test_what_is_not_there(site: Site, wanted: Wanted, limits: Limits) -> None:
    with pytest.raises(DownloadFailed, match="404"):
        get(replace(wanted, url=f"{site.url}/none.safetensors"), limits)


def test_addresses_with_blanks_and_letters(site: Site, wanted: Wanted, limits: Limits) -> None:
    site.files["/some%20file/%C3%A9.safetensors"] = DATA
    spelled = replace(wanted, url=f"{site.url}/some file/\u00e9.safetensors")
    assert get(spelled, limits) == DATA
    assert fetch(spelled, limits, lambda *_: None, lambda: False).name == "\u00e9.safetensors"
