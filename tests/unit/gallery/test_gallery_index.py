"""Finding pictures: words, facets, dates, pages; and that the index can be lost without losing anything."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gallery import Change, Facet, Gallery, Search
from app.gallery.index import Index
from app.gallery.marks import Marks
from app.gallery.search import match_of
from app.schema.errors import NotFound
from tests.support.paths import DATA

from .conftest import names


@pytest.fixture
def filled(gallery, make) -> Gallery:
    make("day/00000-1.png", "a red house, oil painting <lora:Ink:0.8>", seed=11, model="pocket")
    make("day/00001-2.jpg", "a blue_house at night", negative="red roof", seed=12, model="Other v2", sampler="DPM++ 2M", color=1)
    make("00002-3.webp", "red foxes", seed=13, size=(16, 8), color=2)
    make("holiday.png", color=3)
    gallery.scan()
    return gallery


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["00000-1.png", "00001-2.jpg", "00002-3.webp", "holiday.png"]),
        ("house", ["00000-1.png", "00001-2.jpg"]),
        ("HOUSE red", ["00000-1.png"]),
        ('"red house"', ["00000-1.png"]),
        ('"house red"', []),
        ("red -house", ["00002-3.webp"]),
        ("-red", ["00001-2.jpg", "holiday.png"]),
        ("fox*", ["00002-3.webp"]),
        ("fox", []),
        ("negative:roof", ["00001-2.jpg"]),
        ("name:holiday", ["holiday.png"]),
        ("holiday", ["holiday.png"]),
        ("blue_house", ["00001-2.jpg"]),
        ("Ink", ["00000-1.png"]),
        ("nothing like this", []),
        ('"', []),
        ("(((", []),
        ('" OR 1', []),
        ("NEAR(a b) AND OR NOT *", []),
    ],
)
def test_words(filled, text, found):
    assert names(filled, text) == found


@pytest.mark.parametrize(
    ("facet", "found"),
    [
        (Facet("model", "pocket"), ["00000-1.png", "00002-3.webp"]),
        (Facet("model", "OTHER V2"), ["00001-2.jpg"]),
        (Facet("lora", "Ink"), ["00000-1.png"]),
        (Facet("sampler", "DPM++ 2M"), ["00001-2.jpg"]),
        (Facet("size", "16x8"), ["00002-3.webp"]),
        (Facet("seed", "13"), ["00002-3.webp"]),
        (Facet("format", "jpeg"), ["00001-2.jpg"]),
        (Facet("seed", "1"), []),
    ],
)
def test_facets(filled, facet, found):
    assert names(filled, "", facet) == found


def test_words_and_facets_together(filled):
    assert names(filled, "red", Facet("model", "pocket"), Facet("size", "8x8")) == ["00000-1.png"]


def test_dates_and_order(gallery, make, outputs):
    for day in range(5):
        os.utime(make(f"{day}.png", "red", color=day), (1000.0 + 100 * day,) * 2)
    gallery.scan()
    assert names(gallery, after=1100, before=1300) == ["1.png", "2.png"] == names(gallery, "red", after=1100, before=1300)
    page = gallery.find(Search(), None)
    assert [one.entry.place.name for one in page.pictures] == [f"{day}.png" for day in (4, 3, 2, 1, 0)]
    assert page.pictures[0].modified.timestamp() == 1400
    oldest = gallery.find(Search(text="red", oldest_first=True), None, limit=2)
    assert [one.entry.place.name for one in oldest.pictures] == ["0.png", "1.png"]


@pytest.mark.parametrize("text", ["", "red"])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_go_on_without_gaps(gallery, make, text, oldest_first):
    for number in range(25):
        os.utime(make(f"{number}.png", "red", color=number), (1000.0, 1000.0))  # a copied tree has one time
    gallery.scan()
    seen, cursor, totals = [], None, []
    while True:
        page = gallery.find(Search(text=text, oldest_first=oldest_first), None, limit=10, cursor=cursor)
        seen += [one.id for one in page.pictures]
        totals.append(page.total)
        if (cursor := page.following) is None:
            break
    assert len(seen) == len(set(seen)) == 25 and totals == [25, None, None]


def test_counts_follow_what_is_there(filled, outputs):
    counts = filled.index.counts(None)
    assert counts["model"] == [("pocket", 2), ("Other v2", 1)] and counts["lora"] == [("Ink", 1)] and filled.index.total(None) == 4
    (outputs / "day" / "00000-1.png").unlink()
    filled.scan()
    assert filled.index.counts(None)["lora"] == [] and filled.index.total(None) == 3


def test_a_changed_file_is_read_again(filled, make):
    file = make("day/00000-1.png", "a green tree", color=9)
    os.utime(file, (5000, 5000))
    filled.scan()
    assert names(filled, "tree") == ["00000-1.png"] and names(filled, "red house") == []


def test_a_renamed_or_deleted_directory(filled, outputs):
    (outputs / "day").rename(outputs / "night")
    filled.scan()
    assert [one.entry.place.relative for one in filled.find(Search(text="oil"), None).pictures] == ["night/00000-1.png"]
    shutil.rmtree(outputs / "night")
    filled.scan()
    assert names(filled) == ["00002-3.webp", "holiday.png"]


def test_a_folder_that_is_not_there_loses_nothing(filled, outputs, caplog):
    away = outputs.with_name("away")
    outputs.rename(away)
    filled.scan()
    assert len(names(filled)) == 4
    assert "what the gallery knows of it stays" in caplog.text
    away.rename(outputs)


def test_a_folder_that_has_not_been_made_yet_is_no_loss(gallery, outputs, caplog):
    outputs.rmdir()
    gallery.scan()
    assert not caplog.text
    outputs.mkdir()


def test_what_is_no_picture_is_left_out(gallery, make, outputs):
    make("good.png", "red")
    (outputs / "letter.png").write_text("Dear reader")
    (outputs / "empty.jpg").write_bytes(b"")
    (outputs / ".hidden.png").write_bytes((outputs / "good.png").read_bytes())
    (outputs / "notes.txt").write_text("red")
    os.mkfifo(outputs / "pipe.png")
    (outputs / "link.png").symlink_to("/etc/hostname")
    (outputs / os.fsdecode(b"bytes\xff.png")).write_bytes((outputs / "good.png").read_bytes())
    gallery.scan()
    gallery.scan()
    assert names(gallery) == ["good.png"]


def test_smaller_copies_are_not_shown_twice(gallery, make):
    for name in ("a.png", "a.jpg", "b.jpg", "b-small.jpg", "c-small.jpg"):
        make(name, "red")
    gallery.scan()
    assert names(gallery) == ["a.png", "b.jpg", "c-small.jpg"]


def test_settings_from_the_text_beside_the_picture(gallery, make, outputs):
    make("bare.png").with_suffix(".txt").write_text("a violet house\nSteps: 3, Sampler: Euler, Seed: 5, Model: x")
    gallery.scan()
    assert names(gallery, "violet", Facet("seed", "5")) == ["bare.png"]


def test_the_index_is_a_cache(tmp_path, outputs, make):
    make("a.png", "red", color=1)
    make("b.png", "red", color=2)
    first = Gallery(tmp_path / "data", outputs)
    first.scan()
    one = first.find(Search(text="name:a"), None).pictures[0]
    first.change([one.id], Change(rating=4, favourite=True, add=(("tag", "best"), ("album", "Summer"))), None)
    first.close()
    (outputs / "a.png").rename(outputs / "renamed.png")
    for file in (tmp_path / "data" / "cache").glob("gallery.sqlite3*"):
        file.unlink()
    again = Gallery(tmp_path / "data", outputs)
    again.scan()
    found = again.find(Search(facets=(Facet("tag", "best"), Facet("rating", "3"), Facet("album", "Summer"))), None).pictures
    assert [(one.entry.place.name, one.marked.rating, one.marked.favourite) for one in found] == [("renamed.png", 4, True)]
    assert again.find(Search(text="name:b"), None).pictures[0].id == again.find(Search(text="name:b"), None).pictures[0].id
    again.rebuild()
    assert names(again) == []
    again.scan()
    assert names(again, "", Facet("favourite", "yes")) == ["renamed.png"]
    again.close()


@pytest.mark.parametrize("broken", ["garbage", "other version", "cut"])
def test_a_broken_index_is_made_anew(tmp_path, outputs, make, broken):
    make("a.png", "red")
    path = tmp_path / "data" / "cache" / "gallery.sqlite3"
    first = Gallery(tmp_path / "data", outputs)
    first.scan()
    first.close()
    if broken == "garbage":
        path.write_bytes(b"no database at all" * 100)
    elif broken == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    again = Gallery(tmp_path / "data", outputs)
    again.scan()
    assert names(again, "red") == ["a.png"]
    again.close()


def test_ids_say_nothing_and_stay(filled, tmp_path, outputs):
    one = filled.find(Search(text="oil"), None).pictures[0]
    assert len(one.id) == 32 and "day" not in one.id and filled.get([one.id], None)[0] == one
    other = Index(tmp_path / "other.sqlite3", Marks(tmp_path / "other-marks.sqlite3"))
    assert other.id_of(one.entry.place) != one.id
    other._marks.close()
    other.close()
    with pytest.raises(NotFound):
        filled.get(["0" * 32], None)


def test_others_pictures_are_not_there(filled, outputs):
    for name, client in (("day/00000-1.png", "me"), ("holiday.png", "you")):
        filled.saved(outputs / name, (outputs / name).read_bytes(), client)
    assert names(filled, owner="me") == ["00000-1.png"] == names(filled, "red", owner="me")
    assert names(filled, "", Facet("model", "pocket"), owner="you") == []
    assert filled.index.counts("me")["model"] == [("pocket", 1)] and filled.index.total("you") == 1
    others = filled.find(Search(text="holiday"), None).pictures[0].id
    for ask in (filled.get, filled.throw_away):
        with pytest.raises(NotFound):
            ask([others], "me")
    with pytest.raises(NotFound):
        filled.change([others], Change(rating=1), "me")
    assert (outputs / "holiday.png").exists()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet='"*-:()^negativ name ', max_size=80))
def test_no_text_is_a_syntax_error(text):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(prompt, negative, name, facets)")
    if match := match_of(Search(text=text, facets=(Facet("model", text),))):
        connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (match,)).fetchone()
    if match := match_of(Search(text=text)):
        connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (match,)).fetchone()
    connection.close()


def test_the_folder_that_is_added(gallery, make, tmp_path):
    make("own.png", "red")
    elsewhere: Path = tmp_path / "elsewhere"
    make("deep/theirs.png", "red", root=elsewhere, color=4)
    gallery.add_folder(str(elsewhere))
    gallery.scan()
    assert names(gallery, "red") == ["own.png", "theirs.png"]
    gallery.remove_folder(gallery.folders()[1].number)
    assert names(gallery) == ["own.png"] and (elsewhere / "deep" / "theirs.png").exists()
    with pytest.raises(NotFound):
        gallery.remove_folder(77)


def test_other_programs_pictures_are_found_by_their_prompts(gallery, outputs):
    shutil.copy(DATA / "files" / "novelai.png", outputs / "theirs.png")
    gallery.scan()
    (one,) = gallery.find(Search(), None).pictures
    assert (
        one.entry.prompt and one.entry.seed and names(gallery, one.entry.prompt.split()[0], Facet("seed", one.entry.seed)) == ["theirs.png"]
    )


def test_a_seed_in_the_name_alone_is_no_prompt(gallery, make):
    make("00007-4242.png")
    gallery.scan()
    (one,) = gallery.find(Search(), None).pictures
    assert (one.entry.prompt, one.entry.seed, gallery.told(one).infotext) == ("", "", "")
