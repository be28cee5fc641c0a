"""The cache of facts and hashes: it survives restarts, and nothing that happens to its file is fatal."""

import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from app.models import EMBEDDED
from app.models.cache import FileFacts, ModelCache, recogniser_version
from app.models.reading import read_facts
from tests.support.paths import ROOT

POCKET = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"
NONE = FileFacts(None, "The file is empty (0 bytes).", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models.sqlite3"


def test_what_is_kept_is_there_after_a_restart(path: Path) -> None:
    cache, facts = ModelCache(path), FileFacts(read_facts(POCKET), None, "0badcafe")
    cache.keep_facts({"/a": ("1", facts), "/b": ("2", NONE)})
    cache.keep_hash("/a", "1", "f" * 64)
    cache.keep_hash("/a", "2", "e" * 64)
    cache.close()
    again = ModelCache(path)
    assert again.facts() == {"/a": ("1", facts), "/b": ("2", NONE)}
    assert again.hashes() == {"/a": ("2", "e" * 64)}
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    again.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be taken for one" * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_replaced(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cache = ModelCache(path)
    cache.keep_hash("/a", "1", "f" * 64)
    cache.close()
    again = ModelCache(path)
    assert again.hashes() == {"/a": ("1", "f" * 64)}
    assert "begun anew" in caplog.text
    again.close()


def test_damage_that_is_met_later_begins_a_new_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = ModelCache(path)
    cache.keep_facts({f"/{i}": (str(i), NONE) for i in range(2000)})
    cache.close()
    whole = bytearray(path.read_bytes())
    whole[3 * 4096 :] = b"\xff" * (len(whole) - 3 * 4096)
    path.write_bytes(whole)
    again = ModelCache(path)
    assert again.facts() == {} and "begun anew" in caplog.text
    again.keep_hash("/a", "1", "f" * 64)
    assert again.hashes() == {"/a": ("1", "f" * 64)}
    again.close()


def test_tables_of_another_version_are_replaced(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE facts (name TEXT)")
    cache = ModelCache(path)
    cache.keep_facts({"/b": ("2", NONE)})
    assert cache.facts() == {"/b": ("2", NONE)}
    cache.close()


def test_facts_of_another_form_are_passed_over(path: Path) -> None:
    cache = ModelCache(path)
    cache.keep_facts({"/b": ("2", NONE)})
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO facts VALUES ('/a', '1', '{\"family\": \"sd9\"}', NULL, NULL)")
    assert set(cache.facts()) == {"/b"}
    cache.close()


def test_a_folder_that_cannot_be_written_costs_only_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = ModelCache(tmp_path / "cache" / "models.sqlite3")
    cache.keep_hash("/a", "1", "f" * 64)
    assert cache.hashes() == {"/a": ("1", "f" * 64)}
    assert "lasts until the server stops" in caplog.text
    cache.close()


def test_a_closed_or_locked_cache_forgets_but_keeps_its_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = ModelCache(path)
    cache.keep_hash("/a", "1", "f" * 64)
    cache.close()
    with caplog.at_level(logging.WARNING):
        cache.keep_hash("/b", "1", "e" * 64)
    assert "could not be used this time" in caplog.text
    again = ModelCache(path)
    assert again.hashes() == {"/a": ("1", "f" * 64)}
    again.close()


def test_many_threads_and_two_processes_worth_of_connections(path: Path) -> None:
    caches = [ModelCache(path), ModelCache(path)]
    threads = [
        threading.Thread(target=lambda i=i: caches[i % 2].keep_hash(f"/{i}", "1", "f" * 64))  # type: ignore[misc]
        for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caches[0].hashes()) == len(caches[1].hashes()) == 16
    for cache in caches:
        cache.close()


def test_the_recognisers_version_is_the_same_in_one_program() -> None:
    assert recogniser_version() == recogniser_version() and len(recogniser_version()) == 12
