"""Styles: A1111's file, read, applied and written."""

import shutil
from pathlib import Path

import pytest

from app.prompt import BadStyles, Style, Styles
from app.schema.errors import TooLarge

FILE = Path(__file__).parents[2] / "data" / "styles.csv"


@pytest.fixture
def path(tmp_path):
    return Path(shutil.copy(FILE, tmp_path / "styles.csv"))


def test_the_file_of_the_references():
    assert Styles(FILE).list() == (
        ("Oil", "oil painting", "photo"),
        ("Wide", "wide shot, panorama", ""),
        ("Framed", "a framed picture of {prompt} on a wall", "broken, {prompt}"),
    )


@pytest.mark.parametrize(
    ("prompt", "negative", "names", "expected"),
    [  # what A1111's infotexts say
        ("a bridge, mist", "", ["Oil", "Wide"], ("a bridge, mist, oil painting, wide shot, panorama", "photo")),
        ("a cat", "x", ["Framed"], ("a framed picture of a cat on a wall", "broken, x")),
        ("a cat", "", ["Framed", "Oil"], ("a framed picture of a cat on a wall, oil painting", "broken,, photo")),
        ("a cat ", "", ["Nope"], ("a cat ", "")),
        ("", "", ["Oil"], ("oil painting", "photo")),
        (" a cat ", "", [], (" a cat ", "")),
    ],
)
def test_apply(prompt, negative, names, expected):
    assert Styles(FILE).apply(prompt, negative, names) == expected


def test_save_replaces_in_place_and_delete_removes(path):
    styles = Styles(path)
    new = Style("Wide", 'with "quotes",\nlines and 猫')
    styles.save(new)
    styles.save(Style("New", "x", "y"))
    styles.delete("Oil")
    styles.delete("Nope")
    framed = Style("Framed", "a framed picture of {prompt} on a wall", "broken, {prompt}")
    assert Styles(path).list() == (new, framed, Style("New", "x", "y"))
    assert path.read_bytes().startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\n")
    assert [file.name for file in path.parent.iterdir()] == ["styles.csv"]


def test_a_missing_file_is_empty_and_made_by_the_first_save(tmp_path):
    styles = Styles(tmp_path / "styles.csv")
    assert styles.list() == () and styles.apply("a", "b", ["c"]) == ("a", "b")
    styles.save(Style("c", "d"))
    assert styles.apply("a", "b", ["c"]) == ("a, d", "b")


def test_other_forms_of_the_file(path):
    path.write_text("name,text\nOld,from the first months\n,no name\nShort\nOld,again\n", encoding="utf-8")
    assert Styles(path).list() == (Style("Old", "again"), Style("Short"))
    path.write_text("", encoding="utf-8")
    assert Styles(path).list() == ()


@pytest.mark.parametrize("content", [b"Stil,Text\na,b\n", "name,prompt\nä,ö\n".encode("latin-1"), b'name\n"' + b"x" * 200_000])
def test_a_broken_file_is_one_clear_sentence(path, content):
    path.write_bytes(content)
    with pytest.raises(BadStyles, match=r"styles\.csv"):
        Styles(path).apply("a", "", ["Oil"])
    with pytest.raises(BadStyles, match=r"styles\.csv"):
        Styles(path).save(Style("a"))
    assert path.read_bytes() == content


def test_what_cannot_be_written_leaves_the_old_file(path):
    path.with_name(".styles.csv.new").mkdir()
    before = path.read_bytes()
    with pytest.raises(BadStyles, match="cannot be written"):
        Styles(path).save(Style("a"))
    assert path.read_bytes() == before


def test_a_style_needs_a_name(path):
    with pytest.raises(BadStyles, match="name"):
        Styles(path).save(Style(" ", "x"))


def test_styles_that_double_the_prompt_end_somewhere(path):
    styles = Styles(path)
    styles.save(Style("Twice", "{prompt}{prompt}"))
    assert styles.apply("ab", "", ["Twice"] * 3)[0] == "ab" * 8
    with pytest.raises(TooLarge):
        styles.apply("ab", "", ["Twice"] * 100)


@pytest.mark.parametrize("style", [Style("Long", "x" * 140_000), Style("Long", "", "x" * 100_001), Style("x" * 100_001)])
def test_a_text_that_no_reader_takes_is_refused_and_the_file_is_left(path, style):
    before = path.read_bytes()
    with pytest.raises(TooLarge, match="100000 characters"):
        Styles(path).save(style)
    assert path.read_bytes() == before and len(Styles(path).list()) == 3


def test_what_is_saved_is_what_is_listed(path):
    styles = Styles(path)
    before = styles.list()
    styles.save(Style("Breaks", "one\rtwo\r\nthree\n", "\r,a,b\r"))
    styles.save(Style("Widest", "猫" * 100_000, '"' * 100_000))
    styles.save(Style("Half", "a\ud800b", "\x00"))
    assert styles.list() == (
        *before,
        Style("Breaks", "one\ntwo\nthree\n", "\n,a,b\n"),
        Style("Widest", "猫" * 100_000, '"' * 100_000),
        Style("Half", "a?b", "\x00"),
    )


def test_line_breaks_of_a_file_edited_by_hand_outlive_a_save(path):
    path.write_bytes(b'name,prompt\r\nOld,"one\r\ntwo\rthree"\r\n')
    Styles(path).save(Style("New", "x"))
    assert Styles(path).list() == (Style("Old", "one\ntwo\nthree"), Style("New", "x"))
