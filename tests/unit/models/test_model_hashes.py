"""Hashes of files, and who computes them when."""

import hashlib
import threading
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from app.models.hashes import CHUNK_BYTES, HashingCancelled, autov1_of, sha256_of, short_hash
from app.models.hashing import Hasher
from app.schema.errors import BadModelFile

WAIT_S = 30.0


def written(path: Path, size_bytes: int) -> Path:
    path.write_bytes(bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256))
    return path


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_sha256_and_its_progress(tmp_path: Path, size_bytes: int) -> None:
    path = written(tmp_path / "a", size_bytes)
    seen: list[tuple[int, int]] = []
    sha256 = sha256_of(path, lambda done, total: seen.append((done, total)))
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [done for done, _ in seen] == [*range(CHUNK_BYTES, size_bytes, CHUNK_BYTES), *([size_bytes] if size_bytes else [])]
    assert {total for _, total in seen} <= {size_bytes}
    assert short_hash(sha256) == sha256[:10]


def test_cancelling_stops_within_the_file(tmp_path: Path) -> None:
    path, seen = written(tmp_path / "a", 3 * CHUNK_BYTES), list[int]()
    with pytest.raises(HashingCancelled):
        sha256_of(path, lambda done, _: seen.append(done), lambda: len(seen) == 2)
    assert seen == [CHUNK_BYTES, 2 * CHUNK_BYTES]


def test_autov1_is_of_64_kib_at_one_mib(tmp_path: Path) -> None:
    path = written(tmp_path / "a", 0x120000)
    data = path.read_bytes()
    assert autov1_of(path) == hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]
    assert autov1_of(written(tmp_path / "short", 0x100000)) is None, "it would be the hash of nothing, which all short files share"


def test_threads_that_ask_for_the_same_file_share_one_reading(tmp_path: Path) -> None:
    path, finished = written(tmp_path / "a", 2 * CHUNK_BYTES), list[str]()
    hasher = Hasher(lambda path, stamp, sha256: finished.append(sha256))
    begun, go = threading.Event(), threading.Event()

    def progress(done: int, total: int) -> None:
        begun.set()
        go.wait(WAIT_S)

    answers: list[str] = []
    first = threading.Thread(target=lambda: answers.append(hasher.hash(path, progress)))
    first.start()
    assert begun.wait(WAIT_S)
    assert hasher.partial_bytes() == {path: CHUNK_BYTES}
    others = [threading.Thread(target=lambda: answers.append(hasher.hash(path))) for _ in range(3)]
    for thread in others:
        thread.start()
    time.sleep(0.05)
    assert not answers, "they wait for the one who reads"
    go.set()
    for thread in (first, *others):
        thread.join(WAIT_S)
    assert answers == [sha256_of(path)] * 4 and len(finished) == 1
    assert hasher.partial_bytes() == {}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    hasher = Hasher(lambda *_: None)
    with pytest.raises(BadModelFile, match=r"gone\.safetensors cannot be read: No such file"):
        hasher.hash(tmp_path / "gone.safetensors")


def test_a_file_that_changes_meanwhile_has_no_hash(tmp_path: Path) -> None:
    path, finished = written(tmp_path / "a", CHUNK_BYTES), list[str]()
    hasher = Hasher(lambda path, stamp, sha256: finished.append(sha256))

    def append(done: int, total: int) -> None:
        if done == CHUNK_BYTES:
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(BadModelFile, match="changed while it was read"):
        hasher.hash(path, append)
    assert finished == []
    assert hasher.hash(path) == sha256_of(path)


class Queue:
    """Files that want a hash, as the catalogue keeps them."""

    def __init__(self, *paths: Path) -> None:
        self.paths, self.done = list(paths), dict[Path, str]()
        self.changed = threading.Condition()
        self.idle = 0
        self.hold: Path | None = None
        self.held, self.go = threading.Event(), threading.Event()
        self.hasher = Hasher(self.finished)

    def finished(self, path: Path, stamp: str, sha256: str) -> None:
        with self.changed:
            self.done[path] = sha256
            self.changed.notify_all()

    def following(self, failed: Collection[Path]) -> Path | None:
        with self.changed:
            left = [path for path in self.paths if path not in self.done and path not in failed]
            if not left:
                self.idle += 1
                self.changed.notify_all()
            return left[0] if left else None

    def progress(self) -> None:
        if self.hold is not None and self.hold in self.hasher.partial_bytes():
            self.held.set()
            self.go.wait(WAIT_S)

    def start(self) -> None:
        self.hasher.start(self.following, self.progress)

    def wait(self, paths: int, idle: int = 1) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.done) >= paths and self.idle >= idle, WAIT_S)


def test_the_background_thread_does_all_files_and_wakes_for_new_ones(tmp_path: Path) -> None:
    queue = Queue(written(tmp_path / "a", 10), tmp_path / "gone", written(tmp_path / "b", 20))
    queue.start()
    queue.start()
    queue.wait(2)
    assert queue.done == {tmp_path / "a": sha256_of(tmp_path / "a"), tmp_path / "b": sha256_of(tmp_path / "b")}
    with queue.changed:
        queue.paths.append(written(tmp_path / "c", 30))
        queue.paths.remove(tmp_path / "gone")
    queue.hasher.wake()
    queue.wait(3, 2)
    queue.hasher.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "hashing"]
    queue.hasher.stop()


def test_stopping_works_within_a_file(tmp_path: Path) -> None:
    queue = Queue(written(tmp_path / "a", 3 * CHUNK_BYTES))
    queue.hold = tmp_path / "a"
    queue.start()
    assert queue.held.wait(WAIT_S)
    stopper = threading.Thread(target=queue.hasher.stop)
    stopper.start()
    queue.go.set()
    stopper.join(WAIT_S)
    assert not stopper.is_alive() and queue.done == {}


def test_a_foreground_caller_takes_a_file_over_from_the_background(tmp_path: Path) -> None:
    path = written(tmp_path / "a", 3 * CHUNK_BYTES)
    queue = Queue(path)
    queue.hold = path
    queue.start()
    assert queue.held.wait(WAIT_S)
    queue.hold = None
    progress: list[int] = []
    assert queue.hasher.hash(path, lambda done, _: progress.append(done)) == sha256_of(path)
    assert progress[-1] == 3 * CHUNK_BYTES, "it was read here, although the background thread stands still in the same file"
    queue.go.set()
    queue.wait(1)
    queue.hasher.stop()


def test_the_background_thread_waits_while_others_read(tmp_path: Path) -> None:
    small, large = written(tmp_path / "small", 10), written(tmp_path / "large", CHUNK_BYTES)
    queue = Queue(small)
    done_before = []

    def progress(done: int, total: int) -> None:
        queue.start()
        time.sleep(0.1)
        done_before.extend(queue.done)

    queue.hasher.hash(large, progress)
    assert done_before == []
    queue.wait(2)
    assert set(queue.done) == {small, large}
    queue.hasher.stop()
