"""Pictures on disk: numbers, never overwriting, nothing half-written."""

import errno
import os
import threading
from datetime import date
from pathlib import Path

import pytest

from app.jobs.files import FileName, Outputs, publish, replace_file
from app.schema.disk import CannotSave, DiskFull, claim
from app.schema.errors import NotFound

DAY = "txt2img-images/2026-11-22"


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "outputs", today=lambda: date(2026, 11, 22))


def names(outputs: Outputs) -> list[str]:
    return sorted(path.name for path in (outputs.root / DAY).iterdir())


def test_pictures_are_numbered_by_folder(outputs):
    assert outputs.save("txt2img", 42, b"one") == f"{DAY}/00000-42.png"
    assert outputs.save("txt2img", 43, b"two") == f"{DAY}/00001-43.png"
    assert outputs.save("img2img", 42, b"three", ".jpg") == "img2img-images/2026-11-22/00000-42.jpg"
    assert outputs.read(f"{DAY}/00001-43.png") == b"two"
    assert names(outputs) == ["00000-42.png", "00001-43.png"]


def test_any_folder_is_numbered_likewise(outputs, tmp_path):
    folder = tmp_path / "elsewhere" / "deeper"
    assert outputs.save_in(folder, FileName(stem="1"), b"one") == folder / "00000-1.png"
    assert outputs.save_in(folder, FileName(stem="1", suffix=".webp"), b"two") == folder / "00001-1.webp"
    assert (folder / "00000-1.png").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("there", "following"),
    [
        (["00007-1.png"], "00008-5.png"),
        (["00003-1.png", "00120-1.jpg", "notes.txt"], "00121-5.png"),
        (["20231122-holiday.png", "1234-x.png"], "00000-5.png"),
        (["99999-1.png"], "100000-5.png"),
        (["100000-1.png"], "100001-5.png"),
        (["00004.png"], "00005-5.png"),
        ([".00009.tmp"], "00010-5.png"),
    ],
)
def test_the_next_number_follows_the_largest(outputs, there, following):
    folder = outputs.root / DAY
    folder.mkdir(parents=True)
    for name in there:
        (folder / name).write_bytes(b"mine")
    assert outputs.save("txt2img", 5, b"new") == f"{DAY}/{following}"
    assert all((folder / name).read_bytes() == b"mine" for name in there)


def test_savers_that_know_nothing_of_each_other_get_distinct_numbers(outputs):
    def work(place: int) -> None:
        own = Outputs(outputs.root, today=lambda: date(2026, 11, 22))
        for i in range(12):
            own.save("txt2img", place * 100 + i, f"{place}-{i}".encode())

    threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [name[:5] for name in names(outputs)] == [f"{number:05}" for number in range(72)]
    assert {path.read_bytes() for path in (outputs.root / DAY).iterdir()} == {f"{p}-{i}".encode() for p in range(6) for i in range(12)}


def test_a_number_finished_between_looking_and_holding_is_not_taken_again(outputs, monkeypatch):
    """The other saver's hidden file has come and gone since the folder was read; only its picture tells."""
    listing, seen = Path.iterdir, []

    def late(folder):
        entries = list(listing(folder))
        if not seen:
            (outputs.root / DAY / "00000-1.png").write_bytes(b"other")
        seen.append(folder)
        return iter(entries)

    monkeypatch.setattr(Path, "iterdir", late)
    assert outputs.save("txt2img", 2, b"mine") == f"{DAY}/00001-2.png"
    assert names(outputs) == ["00000-1.png", "00001-2.png"]


def test_publishing_never_replaces(tmp_path):
    new, old = tmp_path / ".new", tmp_path / "old.png"
    new.write_bytes(b"new")
    old.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        publish(new, old)
    assert old.read_bytes() == b"old"


def refuse_links(*_):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_disk_without_hard_links(outputs, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    assert outputs.save("txt2img", 1, b"one") == f"{DAY}/00000-1.png"
    assert outputs.save("txt2img", 1, b"two") == f"{DAY}/00001-1.png"
    assert names(outputs) == ["00000-1.png", "00001-1.png"]
    with pytest.raises(FileExistsError):
        publish(outputs.root / DAY / "00001-1.png", outputs.root / DAY / "00000-1.png")
    assert outputs.read(f"{DAY}/00000-1.png") == b"one"


def test_a_claimed_name_is_given_back_when_the_file_cannot_follow(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / ".gone", tmp_path / "final.png")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_linking_that_is_no_missing_feature_is_told(outputs, monkeypatch):
    def link(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(CannotSave, match="Input/output error"):
        outputs.save("txt2img", 1, b"one")
    assert names(outputs) == []


def test_a_full_disk_leaves_nothing(outputs, monkeypatch):
    write = os.write

    def some_then_full(descriptor, data):
        if len(data) < 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:600])

    outputs.save("txt2img", 1, b"before")
    monkeypatch.setattr(os, "write", some_then_full)
    with pytest.raises(DiskFull) as full:
        outputs.save("txt2img", 2, b"x" * 1500)
    assert str(full.value) == "The disk is full: the picture could not be saved. Free some space and try again."
    assert (full.value.code, full.value.status) == ("disk_full", 507)
    assert names(outputs) == ["00000-1.png"]
    monkeypatch.undo()
    assert outputs.save("txt2img", 2, b"after") == f"{DAY}/00001-2.png"


def test_short_writes_are_continued(outputs, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    saved = outputs.save("txt2img", 1, bytes(range(100)))
    assert outputs.read(saved) == bytes(range(100))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "outputs").write_text("I am a file")
    with pytest.raises(CannotSave, match=r"^The picture could not be saved: .+\.$") as error:
        Outputs(tmp_path / "outputs").save("txt2img", 1, b"x")
    assert str(tmp_path) not in str(error.value)


def test_a_start_clears_what_a_crash_left(outputs):
    outputs.save("txt2img", 1, b"good")
    left = outputs.root / DAY / ".00001.tmp"
    left.write_bytes(b"half a pict")
    (outputs.root / DAY / ".hidden-by-me").write_bytes(b"not ours")
    assert outputs.clean() == 1
    assert names(outputs) == [".hidden-by-me", "00000-1.png"]


def test_a_start_leaves_what_another_process_is_writing(outputs, monkeypatch):
    """Cleaned in the middle of a save: the hidden file is held, so the save goes through."""
    write, cleaned = os.write, []

    def clean_meanwhile(descriptor, data):
        cleaned.append(outputs.clean())
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", clean_meanwhile)
    assert outputs.read(outputs.save("txt2img", 1, b"whole")) == b"whole"
    assert cleaned == [0]


def test_only_pictures_below_the_folder_are_read(outputs):
    outputs.save("txt2img", 1, b"x")
    (outputs.root.parent / "secret").write_text("secret")
    with pytest.raises(NotFound):
        outputs.read("../secret")
    with pytest.raises(NotFound, match="no longer"):
        outputs.read(f"{DAY}/00009-1.png")


def test_a_replaced_file_is_the_old_one_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "config.json"
    replace_file(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in path.parent.iterdir()] == ["config.json"]
    monkeypatch.undo()
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_claim_is_held_until_it_is_closed(tmp_path):
    first = claim(tmp_path / "lock")
    assert claim(tmp_path / "lock") is None
    first.close()
    second = claim(tmp_path / "lock")
    assert second is not None
    second.close()
