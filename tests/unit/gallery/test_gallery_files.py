"""Thumbnails, trash, comparing, following changes on the disk."""

import io
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.gallery import Change, Gallery, Search, difference_png, pixel_difference, setting_pairs
from app.gallery.thumbnails import SIDE_PX
from app.schema.errors import BadPicture, InvalidParams, NotFound
from app.trash import CannotMove
from tests.unit.jobs.conftest import wait_for

from .conftest import names


def only(gallery: Gallery, text: str):
    return gallery.find(Search(text=text), None).pictures[0]


def test_a_thumbnail_is_made_once(gallery, make, tmp_path):
    file = make("wide.png", "red", size=(1000, 500))
    gallery.scan()
    one = only(gallery, "red")
    with Image.open(io.BytesIO(gallery.thumbnail(one))) as small:
        assert (small.format, small.size) == ("WEBP", (SIDE_PX, SIDE_PX // 2))
    file.write_bytes(b"broken now")
    assert gallery.thumbnail(one), "kept"
    for kept in (tmp_path / "data" / "cache" / "thumbnails").rglob("*.webp"):
        kept.unlink()
    with pytest.raises(BadPicture):
        gallery.thumbnail(one)
    file.unlink()
    with pytest.raises(NotFound):
        gallery.thumbnail(one)


def test_thumbnails_at_once(gallery, make):
    for number in range(8):
        make(f"{number}.png", "red", color=number * 9)
    gallery.scan()
    found = gallery.find(Search(), None).pictures * 3
    threads = [threading.Thread(target=gallery.thumbnail, args=(one,)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(gallery.thumbnail(one)[:4] == b"RIFF" for one in found)


def test_trash_and_back(gallery, make, outputs):
    file = make("day/a.png", "red")
    data = file.read_bytes()
    file.with_suffix(".txt").write_text("beside")
    gallery.scan()
    gallery.change([only(gallery, "red").id], Change(rating=5), None)
    keys = gallery.throw_away([only(gallery, "red").id], None)
    assert names(gallery) == [] and not file.exists() and not file.with_suffix(".txt").exists()
    gallery.scan()
    assert names(gallery) == [], "the trash is not looked at"
    trashed = gallery.trashed(None)
    assert [(one.place.key, one.place.relative) for one in trashed] == [(keys[0], "day/a.png")] and gallery.trashed_thumbnail(trashed[0])
    assert gallery.restore(keys, None) == 1
    assert (file.read_bytes(), file.with_suffix(".txt").read_text()) == (data, "beside")
    assert only(gallery, "red").marked.rating == 5 and gallery.trashed(None) == [] and list((outputs / ".trash").iterdir()) == []


def test_what_has_the_name_by_now_is_not_replaced(gallery, make, outputs):
    make("a.png", "red", color=1)
    gallery.scan()
    keys = gallery.throw_away([only(gallery, "red").id], None)
    make("a.png", "newer", color=2)
    gallery.restore(keys, None)
    assert names(gallery, "red") == ["a-1.png"] and (outputs / "a.png").exists()


def test_deleting_for_good(gallery, make, outputs):
    make("a.png", "red")
    gallery.scan()
    keys = gallery.throw_away([only(gallery, "red").id], None)
    assert gallery.destroy(keys, None) == 1 and gallery.trashed(None) == [] and not list((outputs / ".trash").iterdir())
    for ask in (gallery.restore, gallery.destroy):
        with pytest.raises(NotFound):
            ask(keys, None)


def test_a_note_in_the_trash_cannot_lead_elsewhere(gallery, make, outputs, tmp_path):
    make("a.png", "red")
    gallery.scan()
    (key,) = gallery.throw_away([only(gallery, "red").id], None)
    note = outputs / ".trash" / key / "deleted.json"
    for path in ("../../stolen/a.png", "/etc/a.png", "x/../../a.png"):
        note.write_text(json.dumps({**json.loads(note.read_text()), "path": path}))
        assert gallery.trashed(None) == []
    note.write_text("[" * 1000)
    assert gallery.trashed(None) == []
    with pytest.raises(NotFound):
        gallery.restore(["../" * 5], None)


def test_others_trash_is_not_there(gallery, make, outputs):
    file = make("a.png", "red")
    gallery.saved(file, file.read_bytes(), "me")
    keys = gallery.throw_away([only(gallery, "red").id], "me")
    assert gallery.trashed("you") == [] and len(gallery.trashed("me")) == 1
    with pytest.raises(NotFound):
        gallery.restore(keys, "you")


def test_a_file_that_cannot_be_moved_stays(gallery, make, monkeypatch):
    file = make("a.png", "red")
    gallery.scan()

    def rename(*_):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(CannotMove, match=r"a\.png could not be moved: Permission denied"):
        gallery.throw_away([only(gallery, "red").id], None)
    assert file.exists() and names(gallery) == ["a.png"] and gallery.trashed(None) == []


def test_comparing_settings_and_pixels(make, tmp_path):
    one, other, wide = make("a.png", "red", seed=1, color=10), make("b.png", "blue", seed=1, color=14), make("c.png", size=(16, 8))
    pairs = {pair.label: (pair.one, pair.other) for pair in setting_pairs(one, other)}
    assert pairs["Prompt"] == ("red", "blue") and pairs["Seed"] == ("1", "1")
    apart = pixel_difference(one, other)
    assert apart is not None and (apart.maximum, apart.share) == (4, 63 / 64) and apart.mean == pytest.approx(4 * 63 / 64)
    with Image.open(io.BytesIO(difference_png(one, other))) as picture:
        assert np.asarray(picture).max() == 32
    assert pixel_difference(one, one).maximum == 0 and pixel_difference(one, wide) is None
    with pytest.raises(InvalidParams, match="different sizes"):
        difference_png(one, wide)
    broken = tmp_path / "broken.png"
    broken.write_bytes(one.read_bytes()[:60])
    with pytest.raises(BadPicture):
        pixel_difference(one, broken)


def test_stripped_data(gallery, make):
    make("a.png", "secret")
    gallery.scan()
    one = only(gallery, "secret")
    assert b"secret" in gallery.data(one, strip=False) and b"secret" not in gallery.data(one, strip=True)


def test_a_link_out_of_the_folder_is_not_served(gallery, make, outputs, tmp_path):
    file = make("a.png", "red")
    gallery.scan()
    one = only(gallery, "red")
    outside = tmp_path / "outside.png"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(NotFound):
        gallery.path_of(one)


@pytest.mark.parametrize("given", ["", "relative", "/no/such/folder", "nul\x00byte"])
def test_folders_that_cannot_be_added(gallery, given):
    with pytest.raises(InvalidParams, match="There is no folder"):
        gallery.add_folder(given)


def test_the_systems_own_folders_cannot_be_added(gallery):
    for given in ("/dev", *(place for place in ("/proc", "/proc/self", "/sys") if Path(place).is_dir())):
        with pytest.raises(InvalidParams, match="the system's own"):
            gallery.add_folder(given)


def test_folders_within_each_other(gallery, outputs, tmp_path):
    (outputs / "below").mkdir()
    for path in (outputs, outputs / "below", tmp_path):
        with pytest.raises(InvalidParams, match="lie in each other"):
            gallery.add_folder(str(path))


def test_changes_on_the_disk_are_followed(gallery, make, outputs):
    make("first.png", "red")
    gallery.start()
    wait_for(lambda: names(gallery) == ["first.png"])
    second = make("new/second.png", "blue", color=3)
    wait_for(lambda: names(gallery, "blue") == ["second.png"])
    second.rename(second.with_name("moved.png"))
    wait_for(lambda: names(gallery, "blue") == ["moved.png"])
    (outputs / "first.png").unlink()
    wait_for(lambda: names(gallery) == ["moved.png"])
    (outputs / "new").rename(outputs / "newer")
    wait_for(lambda: [one.entry.place.relative for one in gallery.find(Search(), None).pictures] == ["newer/moved.png"])
    assert gallery.status(None).following


def test_a_folder_that_comes_later_is_followed(tmp_path, make):
    outputs = tmp_path / "later"
    opened = Gallery(tmp_path / "data", outputs)
    opened.start()
    wait_for(lambda: opened._progress.running is False)
    make("a.png", "red", root=outputs)
    wait_for(lambda: names(opened) == ["a.png"])
    make("deep/b.png", "red", root=outputs)
    wait_for(lambda: names(opened) == ["a.png", "b.png"])
    opened.close()


def test_a_saved_picture_is_there_at_once(gallery, make, outputs):
    file = make("a.png", "red")
    gallery.saved(file, file.read_bytes(), "me")
    assert names(gallery, owner="me") == ["a.png"]
    gallery.saved(outputs / "gone.png", b"", "me")


def test_closing_in_the_middle_of_a_scan(tmp_path, outputs, make):
    for number in range(300):
        make(f"{number}.png", "red", color=number)
    opened = Gallery(tmp_path / "data", outputs)
    opened.start()
    time.sleep(0.05)
    opened.close()
    again = Gallery(tmp_path / "data", outputs)
    again.scan()
    assert len(names(again)) == 300
    again.close()
