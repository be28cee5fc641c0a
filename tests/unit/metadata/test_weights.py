"""Prompts in which other programs weigh words: A1111's own prompt parser must see the weights that those programs mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata import PictureRecord, params_from_infotext, read_recipe, read_text
from app.metadata.dialects.weights import invokeai_weights, novelai_weights
from app.prompt import parse_attention

Weights = list[tuple[str, float]]


def seen(text: str) -> Weights:
    """Words and weights as a generation sees them."""
    return [(words.strip(" ,"), round(weight, 4)) for words, weight in parse_attention(text) if words.strip(" ,")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1girl, {solo}, {{best}}, [bad]", [("1girl", 1), ("solo", 1.05), ("best", 1.1025), ("bad", 0.9524)]),
        ("x, -0.8::feet::, rating:general", [("x", 1), ("feet", -0.8), ("rating:general", 1)]),
        ("1.3::a, b::, c", [("a, b", 1.3), ("c", 1)]),
        ("1.3::a, 0.5::b:: c", [("a", 1.3), ("b", 0.5), ("c", 1)]),
        ("{a, 1.2::b::}", [("a", 1.05), ("b", 1.26)]),
        ("miku (vocaloid), {{(x)", [("miku (vocaloid)", 1), ("(x)", 1.1025)]),
        ("2girls, ratio 1.5:1", [("2girls, ratio 1.5:1", 1)]),
        ("-.5::q", [("q", -0.5)]),
        ("}}]] odd", [("odd", 1)]),
    ],
    ids=range(9),
)
def test_novelai(text: str, wanted: Weights) -> None:
    assert seen(novelai_weights(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat++ on a mat--", [("a", 1), ("cat", 1.21), ("on a", 1), ("mat", 0.81)]),
        ("(a b)1.2, c", [("a b", 1.2), ("c", 1)]),
        ("(a (b)1.3 c)++ d", [("a", 1.21), ("b", 1.573), ("c", 1.21), ("d", 1)]),
        ("(no weight) c", [("no weight c", 1)]),
        ("a (b, never closed", [("a (b, never closed", 1)]),
        ("<my-style> [y], semi-", [("my-style [y]", 1), ("semi", 0.9)]),
        ("a, b+, 1-2, high-res", [("a", 1), ("b", 1.1), ("1-2, high-res", 1)]),
        ("photo\\(s\\) ++", [("photo(s) ++", 1)]),
    ],
    ids=range(8),
)
def test_invokeai(text: str, wanted: Weights) -> None:
    assert seen(invokeai_weights(text)) == wanted


@pytest.mark.parametrize("text", ['("a","b").blend(1,1)', "a cat.swap(dog)", '("a", "b").and()', "(a cat).swap(a dog)"])
def test_what_has_no_counterpart_stays(text: str) -> None:
    assert invokeai_weights(text) == text


@given(st.text(alphabet='ab (){}[]<>:+-.,1\\\n"', max_size=60))
def test_any_text_is_weighed(text: str) -> None:
    for weigh in (novelai_weights, invokeai_weights):
        assert all(isinstance(words, str) for words, _ in parse_attention(weigh(text)))


def test_the_program_s_own_words_are_shown_and_a1111_s_are_used() -> None:
    comment = {"prompt": "{cat}, 1.5::hat::", "uc": "[fog]", "steps": 5, "seed": 3, "width": 64, "height": 64, "sampler": "k_euler"}
    items = {"Software": "NovelAI", "Comment": json.dumps(comment)}
    record = PictureRecord(format="PNG", width=64, height=64, items=items)
    recipe = read_recipe(record)
    assert recipe is not None and recipe.infotext.startswith("{cat}, 1.5::hat::") and recipe.usable is not None
    used = params_from_infotext(recipe.usable).values
    assert (used["prompt"], used["negative_prompt"], used["seed"]) == ("(cat:1.05), (hat:1.5)", "(fog:0.9524)", 3)
    assert any("in its own way" in sentence for sentence in recipe.warnings)
    metadata = {"positive_prompt": "a cat++", "negative_prompt": "", "seed": 1, "steps": 2, "app_version": "3.1"}
    invoke = read_text(json.dumps(metadata))
    assert invoke.usable.startswith("a (cat:1.21)") and invoke.infotext.startswith("a cat++")
    plain = read_text(json.dumps(metadata | {"positive_prompt": "a cat"}))
    assert plain.usable == plain.infotext and plain.recipe is not None and not plain.recipe.warnings
