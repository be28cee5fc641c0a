"""Infotext written and read, against what A1111 itself wrote and read."""

import csv
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metadata.compat import a1111_version, uses_emphasis
from app.metadata.infotext import clean, format_infotext, parse_infotext, quote, split_infotext, unquote
from app.metadata.styles import cut_styles

DATA = Path(__file__).parents[2] / "data"
STYLES = [
    ("Oil", "oil painting", "photo"),
    ("Wide", "wide shot, panorama", ""),
    ("Framed", "a framed picture of {prompt} on a wall", "broken, {prompt}"),
]
PARSED = json.loads((DATA / "parser" / "infotext_parse.json").read_text(encoding="utf-8"))
QUOTED = json.loads((DATA / "parser" / "infotext_quote.json").read_text(encoding="utf-8"))
ATTENTION = json.loads((DATA / "parser" / "attention.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", PARSED, ids=range(len(PARSED)))
def test_dictionary_equals_a1111s(entry) -> None:
    parsed = parse_infotext(entry["text"], STYLES)
    assert parsed == entry["result"]
    assert {name: type(value) for name, value in parsed.items()} == {name: type(value) for name, value in entry["result"].items()}


def test_styles_here_are_those_of_the_reference() -> None:
    rows = list(csv.reader((DATA / "styles.csv").read_text(encoding="utf-8").splitlines()))[1:]
    assert [tuple(row) for row in rows] == STYLES


@pytest.mark.parametrize("entry", QUOTED, ids=range(len(QUOTED)))
def test_quoting_equals_a1111s(entry) -> None:
    assert {"quote": quote, "unquote": unquote}[entry["function"]](entry["value"]) == entry["result"]


@given(st.text())
def test_unquote_undoes_quote(text: str) -> None:
    quoted = str(quote(text))
    if quoted != text or not (text.startswith('"') and text.endswith('"')):  # A1111 leaves such a value unquoted; it cannot come back
        assert clean(unquote(quoted)) == clean(text)


@pytest.mark.parametrize("entry", [e for e in ATTENTION if "result" in e], ids=lambda e: e["text"][:30])
def test_emphasis_is_seen_where_a1111_sees_weights(entry) -> None:
    weighted = any(weight != 1 for text, weight in entry["result"] if text != "BREAK")
    assert uses_emphasis(entry["text"]) is weighted


@pytest.mark.parametrize("text", ["(a:1.2.3)", "(a:.)", "([(a", "a ((b)", "[(x])"])
def test_odd_weights_count_as_emphasis(text: str) -> None:
    assert uses_emphasis(text)


def test_negative_prompt_shows_emphasis_too() -> None:
    assert parse_infotext("a\nNegative prompt: (b:1.3)")["Emphasis"] == "Original"
    assert parse_infotext("(a)\nSteps: 1, Seed: 2, Emphasis: No norm")["Emphasis"] == "No norm"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v1.5.2", (1, 5, 2, 0)), ("v1.7.0-224-gabc", (1, 7, 0, 224)), ("f2.0.1v1.10.1", None), ("darkroom-0.1.0", None), ("", None)],
)
def test_versions_of_other_programs_are_not_a1111s(version: str, expected) -> None:
    assert a1111_version(version) == expected


def test_switches_end_with_the_version_that_no_longer_needs_them() -> None:
    def switched(version: str, sampler: str = "DDIM") -> set[str]:
        text = f"[a:b:0.5]\nSteps: 1, Sampler: {sampler}, Seed: 1, Version: {version}"
        names = {"Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod"}
        return {name for name in parse_infotext(text) if name in names}

    assert switched("v1.5.9") == {"Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod"}
    assert switched("v1.5.9", "Euler") == {"Old prompt editing timelines", "Downcast alphas_cumprod"}
    assert switched("v1.6.0") == {"Downcast alphas_cumprod"}
    assert switched("v1.8.0") == switched("darkroom-0.1.0") == set()


def test_styles_stay_when_the_hires_prompt_has_others() -> None:
    settings = "Steps: 20, Seed: 1, Size: 8x8"
    same = parse_infotext(f'a, oil painting\nNegative prompt: photo\n{settings}, Hires prompt: "b, oil painting"', STYLES)
    assert (same["Prompt"], same["Hires prompt"], same["Styles array"]) == ("a", "b", ["Oil"])
    equal = parse_infotext(f'a, oil painting\nNegative prompt: photo\n{settings}, Hires prompt: "a, oil painting"', STYLES)
    assert (equal["Prompt"], equal["Hires prompt"]) == ("a", "")


def test_a_style_is_cut_once_and_an_ambiguous_one_never() -> None:
    assert cut_styles("a, s, s", "", [("S", "s", "")]) == (["S"], "a, s", "")
    assert cut_styles("a b a", "", [("Twice", "{prompt} b {prompt}", "")]) == ([], "a b a", "")
    assert cut_styles("a", "b", [("Empty", "", " ")]) == ([], "a", "b")


def test_format_leaves_out_what_is_not_there() -> None:
    assert format_infotext("", "", [("Steps", 3), ("VAE", None), ("Decode negative prompt", "")]) == "Steps: 3, Decode negative prompt:"
    assert format_infotext("   a  ", "b", [("Steps", 3), ("Note", "x, y")]) == 'a  \nNegative prompt: b\nSteps: 3, Note: "x, y"'
    assert format_infotext("a\x00\ud800b", "", []) == "a\ufffdb"


LINE = st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(
    lambda line: line == line.strip() and line and not line.startswith("Negative prompt:")
)
LABEL = st.from_regex(r"[A-Za-z][A-Za-z0-9 /\-]{1,20}", fullmatch=True).filter(lambda label: label == label.strip())
VALUE = st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(lambda text: text == text.strip() and not text.startswith('"'))


@settings(max_examples=100)
@given(st.lists(LINE).map("\n".join), st.lists(LINE).map("\n".join), st.lists(st.tuples(LABEL, VALUE), min_size=3))
def test_what_is_written_is_read_again(prompt: str, negative: str, fields: list[tuple[str, str]]) -> None:
    assert split_infotext(format_infotext(prompt, negative, fields)) == (prompt, negative, fields)


@settings(max_examples=200)
@given(st.text(st.sampled_from('ab:,"\\ \n[]()1.x{}-') | st.characters()))
def test_any_text_is_read(text: str) -> None:
    json.dumps(parse_infotext(text, STYLES), ensure_ascii=False).encode()


LONG = (
    "a" * 10**6,
    'aa:"' * 250_000,
    'aa:"\\",' * 100_000,
    "- " * 500_000,
    '"' * 10**6 + ":",
    "(" * 200_000,
    "(a" * 200_000,
    "[(" * 250_000 + "])",
)


@pytest.mark.parametrize("text", LONG, ids=lambda text: repr(text[:8]))
def test_a_megabyte_of_anything_takes_no_age(text: str) -> None:
    start = time.process_time()
    parse_infotext(text)
    assert time.process_time() - start < 20  # a quadratic reader needs hours; the limit leaves room for a slow machine
