"""Rules that the references do not show, or that differ from A1111's behaviour on purpose."""

import pytest

from app.prompt import (
    BREAK,
    END,
    START,
    EmbeddingIndex,
    NetworkTag,
    Tokenizer,
    chunk_prompt,
    chunk_prompt_old,
    count_tokens,
    cut_tags,
    parse_attention,
    prompt_schedule,
    split_and,
    strip_comments,
)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer()


def words(chunk):
    """The ids of a chunk without start and filling."""
    return [number for number in chunk.ids[1:-1] if number != END]


def test_brackets_that_are_too_deep_weigh_no_more():
    pieces = parse_attention("(" * 500 + "a" + ")" * 500 + "b")
    assert pieces == [("a", pytest.approx(1.1**64)), ("b", 1.0)]


@pytest.mark.parametrize(
    ("text", "break_at"),
    [("a BREAK b", 1), ("(a BREAK b:1.0)", 1), ("(a BREAK b:1.2)", None), ("[BREAK]", None)],
)
def test_a_weighted_break_is_a_word(text, break_at):
    pieces = parse_attention(text)
    assert (pieces.index(BREAK) if BREAK in pieces else None) == break_at


@pytest.mark.parametrize(
    ("prompt", "at_last"),
    [
        ("[x [a:b] y:z:0.5]", "[x [a:b] y:z:0.5]"),  # a bracket around text that is no syntax is text
        ("[a:b] [c:d:5]", "[a:b] d"),
        ("a|b [c:d:5]", "a|b d"),
        ("[a:b:5] \\", "b \\"),
        ("[[a:b:5]", "[b"),
        ("[a:b:5]]", "b]"),
        ("(x [c:d:5) y] [e:f:5]", "(x [c:d:5) y] f"),
        ("[a:b:1e999]", "a"),
        ("[a:b:-1e999]", "b"),
        ("[(a:b:c) :d:5]", "[(a:b:c) :d:5]"),
    ],
)
def test_text_that_is_no_syntax(prompt, at_last):
    assert prompt_schedule(prompt, 10)[-1] == (10, at_last)


def test_an_inner_switch_ends_a_span_even_where_it_does_not_show():
    assert prompt_schedule("[[a:b:8]:c:3]", 10) == [(3, "a"), (8, "c"), (10, "c")]


def test_a_pass_of_no_steps_has_one_text():
    assert prompt_schedule("[a:b:1.0e999] [c|d]", 0) == [(0, "a d")]


def test_old_counting_takes_a_small_number_as_a_share():
    assert prompt_schedule("[a:b:1.0]", 10, old=True) == [(1, "a"), (10, "b")]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("a : 1.5 ", ("a", 1.5)), ("a:1:2", ("a:1", 2.0)), (":2", ("", 2.0)), ("a:", ("a:", 1.0))],
)
def test_weight_of_a_part(prompt, expected):
    assert split_and(prompt) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat # not in the picture\n# whole line\nin the garden", "a cat \nin the garden"),
        ("bad # x\n# y\nugly", "bad \nugly"),
        ("castle # a comment\non a hill", "castle \non a hill"),
        ("# one\n# two\nthree", "three"),
        ("one\n# two", "one\n"),
        ("  # one\ntwo", "  \ntwo"),
        ("#", ""),
        ("no comment", "no comment"),
    ],
)
def test_comments(text, expected):
    assert strip_comments(text) == expected


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("(a cat <lora:lin:0.6>:1.2)", "(a cat :1.2)", [("lora", ("lin", "0.6"))]),
        ("<lora:a:te=0.2:unet=0.8>b<hypernet:c:1>", "b", [("lora", ("a", "te=0.2", "unet=0.8")), ("hypernet", ("c", "1"))]),
        ("a <b> <:c> <lora:> <d:e", "a <b> <:c> <lora:> <d:e", []),
    ],
)
def test_tags(prompt, text, tags):
    assert cut_tags(prompt) == (text, tuple(NetworkTag(kind, values) for kind, values in tags))


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("it’s a “dog”", 'it\'s a "dog"'),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("salt &amp; pepper", "salt & pepper"),
        ("e\u0301te\u0301", "été"),
        ("a\ud800b", "a\ufffdb"),
        ("A\r\n\tCat ", "a cat"),
        ("", ""),
    ],
)
def test_text_is_repaired_before_it_is_encoded(text, repaired, tokenizer):
    assert tokenizer.encode(text) == tokenizer.encode(repaired)


def test_known_ids(tokenizer):
    assert tokenizer.encode("a photo of a cat, <|endoftext|>") == [320, 1125, 539, 320, 2368, 267, END]


def test_ids_of_other_scripts(tokenizer):
    """The numbers are another implementation's, in plain Python."""
    expected = [27152, 13506, 141, 480, 140, 366, 23669, 31090, 112, 141, 481, 267, 163]
    expected += [234, 104, 34671, 161, 118, 511, 2074, 230, 267, 1097, 35689, 563, 15304]
    assert tokenizer.encode("кот в саду, 猫と庭 🐈, naïve café") == expected


def test_emphasis_modes(tokenizer):
    text = "a (cat:1.5) BREAK b"
    original, ignored, plain = (chunk_prompt(text, tokenizer, emphasis=mode) for mode in ("Original", "Ignore", "None"))
    assert chunk_prompt(text, tokenizer, emphasis="No norm") == original
    assert original.chunks[0].multipliers[:4] == (1.0, 1.0, 1.5, 1.0)
    assert [chunk.ids for chunk in ignored.chunks] == [chunk.ids for chunk in original.chunks]
    assert {weight for chunk in ignored.chunks for weight in chunk.multipliers} == {1.0}
    assert words(plain.chunks[0]) == tokenizer.encode(text)
    assert {weight for chunk in plain.chunks for weight in chunk.multipliers} == {1.0}
    assert all(chunked.uses_emphasis for chunked in (original, ignored, plain))
    assert not chunk_prompt("a cat) here]", tokenizer).uses_emphasis


def test_an_embedding_that_moves_to_the_next_chunk_keeps_its_vectors(tokenizer):
    embeddings = EmbeddingIndex({"tinymany": 4}, tokenizer)
    text = "stone " * 65 + ", tinymany stone stone stone stone stone stone"
    first, second = chunk_prompt(text, tokenizer, embeddings=embeddings).chunks
    assert (words(first), first.fixes) == (tokenizer.encode("stone " * 65 + ","), ())
    assert second.fixes == ((0, "tinymany", 4),)
    assert words(second) == [0] * 4 + tokenizer.encode("stone " * 6)


def test_the_longest_embedding_wins_and_unusable_ones_are_left_out(tokenizer):
    embeddings = EmbeddingIndex({"red": 1, "red fox": 2, "RED FOX hill": 3, "blue": 76, " ": 1, "green": 0}, tokenizer)
    chunk = chunk_prompt("red, Red Fox, red fox hill, blue green", tokenizer, embeddings=embeddings).chunks[0]
    assert chunk.fixes == ((0, "red", 1), (2, "red fox", 2), (5, "RED FOX hill", 3))
    assert chunk.ids[0] == START


def test_the_counter_shows_the_longest_text(tokenizer):
    assert count_tokens("", 20, tokenizer) == (0, 75)
    assert count_tokens("[a:a red fox:0.5] AND a dog :0.5", 20, tokenizer) == (3, 75)
    assert count_tokens("a BREAK b", 20, tokenizer) == (76, 150)


def test_old_emphasis_counts_brackets_by_token(tokenizer):
    """The same reading gives A1111's picture of such a prompt within 1/255."""
    chunk = chunk_prompt_old("a (cat:1.4) in ((garden)) [x] () end", tokenizer).chunks[0]
    kept = tokenizer.encode("a cat :1.4 in garden x () end")
    weights = [1.0, 1.1, *[1.1] * 4, 1.0, 1.21, 1 / 1.1, 1.0, 1.0]
    assert words(chunk) == kept
    assert list(chunk.multipliers[1 : len(kept) + 1]) == pytest.approx(weights)
    assert set(chunk.multipliers[len(kept) + 1 :]) == {1.0}


def test_old_emphasis_cuts_at_one_chunk(tokenizer):
    embeddings = EmbeddingIndex({"tinymany": 4}, tokenizer)
    chunked = chunk_prompt_old("(tinymany) " + "stone, " * 60, tokenizer, embeddings=embeddings)
    assert (chunked.token_count, len(chunked.chunks), chunked.uses_emphasis) == (75, 1, True)
    assert chunked.chunks[0].fixes == ((0, "tinymany", 4),)
    assert chunked.chunks[0].multipliers[1:6] == (1.1, 1.1, 1.1, 1.1, pytest.approx(1.0))
    tight = chunk_prompt_old("stone " * 73 + "tinymany", tokenizer, embeddings=embeddings)
    assert (tight.token_count, tight.chunks[0].fixes, tight.uses_emphasis) == (73, (), False)


def test_the_letters_of_a_token(tokenizer):
    assert [tokenizer.token(number) for number in (2368, START, 99999)] == ["cat</w>", "<|startoftext|>", ""]
