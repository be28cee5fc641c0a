"""Every entry of the parser references, which AUTOMATIC1111 1.10.1 made."""

import json
from pathlib import Path

import pytest

from app.prompt import EmbeddingIndex, Tokenizer, chunk_prompt, parse_attention, prompt_schedule, split_and

FOLDER = Path(__file__).parents[2] / "data" / "parser"
VECTORS = {"tinyone": 1, "tinymany": 4, "tiny concept": 1}
"""The embeddings that were there when the references were made."""


def entries(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def named(text):
    return text[:40] or "empty"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer()


@pytest.fixture(scope="module")
def embeddings(tokenizer):
    return EmbeddingIndex(VECTORS, tokenizer)


@pytest.mark.parametrize("entry", entries("attention"), ids=lambda entry: named(entry["text"]))
def test_attention(entry):
    pieces = parse_attention(entry["text"])
    if "error" in entry:  # A1111 fails at such numbers: they are text, and the bracket weighs as usual
        assert pieces[0] == (entry["text"].split(")")[0].removeprefix("("), 1.1)
    else:
        assert pieces == [(text, weight) for text, weight in entry["result"]]


@pytest.mark.parametrize("entry", entries("schedules"), ids=lambda entry: named(entry["prompt"]))
def test_schedule(entry):
    schedule = prompt_schedule(entry["prompt"], entry["steps"], entry["hires_steps"], entry["use_old_scheduling"])
    assert schedule == [(end, text) for end, text in entry["result"]]


@pytest.mark.parametrize("entry", entries("multicond"), ids=lambda entry: named(entry["prompts"][0]))
def test_and(entry):
    expected = [[(text, weight) for text, weight in parts] for parts in entry["result"]]
    assert [split_and(prompt) for prompt in entry["prompts"]] == expected


@pytest.mark.parametrize("entry", entries("chunks"), ids=lambda entry: named(entry["text"]))
def test_chunks(entry, tokenizer, embeddings):
    chunked = chunk_prompt(entry["text"], tokenizer, backtrack=entry["comma_padding_backtrack"], embeddings=embeddings)
    assert (chunked.token_count, chunked.limit) == (entry["token_count"], entry["target"])
    assert len(chunked.chunks) == len(entry["chunks"])
    for chunk, expected in zip(chunked.chunks, entry["chunks"], strict=True):
        assert list(chunk.ids) == expected["tokens"]
        assert list(chunk.multipliers) == expected["multipliers"]
        assert [list(fix) for fix in chunk.fixes] == expected["fixes"]
