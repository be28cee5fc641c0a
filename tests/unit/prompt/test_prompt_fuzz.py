"""Random and mutated prompts: nothing raises, and what must hold for every prompt holds. DARKROOM_FUZZ=100000 makes it as many a test."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.prompt import (
    BREAK,
    CHUNK,
    END,
    START,
    Tokenizer,
    chunk_prompt,
    cut_tags,
    parse_attention,
    prompt_schedule,
    split_and,
    strip_comments,
)

ROOT = Path(__file__).parents[3]
EXAMPLES = int(os.environ.get("DARKROOM_FUZZ", "250"))
KNOWN = [entry["text"] for entry in json.loads((ROOT / "tests/data/parser" / "attention.json").read_text(encoding="utf-8"))]
SYNTAX = ["(", ")", "[", "]", ":", "|", "\\", ",", " ", "\n", "#", "<", ">", "a", "é", "0.5", ":1.3)", ":3]", ":-1e999]"]
SYNTAX += [" AND ", " BREAK ", "<lora:x:1>"]

syntax = st.lists(st.sampled_from(SYNTAX), max_size=60).map("".join)
mutated = st.tuples(st.sampled_from(KNOWN), st.integers(0, 200), st.integers(0, 3), st.sampled_from(SYNTAX)).map(
    lambda drawn: drawn[0][: drawn[1]] + drawn[3] + drawn[0][drawn[1] + drawn[2] :]
)
prompts = syntax | mutated | st.text(max_size=100)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer()


@settings(max_examples=EXAMPLES, deadline=None)
@given(prompts)
def test_attention_keeps_the_words(prompt):
    pieces = parse_attention(prompt)
    assert pieces
    letters = "".join(text for text, weight in pieces if (text, weight) != BREAK)
    assert letters.count("é") == prompt.count("é")


@settings(max_examples=EXAMPLES, deadline=None)
@given(prompts, st.integers(1, 30), st.none() | st.integers(1, 30), st.booleans())
def test_schedules_cover_the_pass(prompt, steps, hires_steps, old):
    schedule = prompt_schedule(prompt, steps, hires_steps, old)
    ends = [end for end, _ in schedule]
    assert ends[0] >= 1 and all(first < second for first, second in pairwise(ends))
    assert ends[-1] == (steps if old or hires_steps is None else hires_steps)
    if "[" not in prompt:
        assert schedule == [(ends[-1], prompt)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(prompts)
def test_splitting_and_cutting(prompt):
    assert len(split_and(prompt)) >= 1
    assert "#" not in strip_comments(prompt)
    text, tags = cut_tags(prompt)
    assert len(text) == len(prompt) - sum(len(f"<{tag.kind}:{':'.join(tag.values)}>") for tag in tags)


@settings(max_examples=EXAMPLES, deadline=None)
@given(prompts, st.sampled_from(["Original", "No norm", "Ignore", "None"]), st.integers(0, 75), st.integers(1, 4))
def test_chunks_hold_every_token_in_order(tokenizer, prompt, emphasis, backtrack, times):
    prompt *= times
    chunked = chunk_prompt(prompt, tokenizer, emphasis=emphasis, backtrack=backtrack)
    assert chunked.limit == len(chunked.chunks) * CHUNK >= chunked.token_count
    for chunk in chunked.chunks:
        assert len(chunk.ids) == len(chunk.multipliers) == CHUNK + 2
        assert (chunk.ids[0], chunk.ids[-1]) == (START, END)
    pieces = [(prompt, 1.0)] if emphasis == "None" else parse_attention(prompt)
    expected = [number for piece in pieces if piece != BREAK for number in tokenizer.encode(piece[0])]
    assert [number for chunk in chunked.chunks for number in chunk.ids[1:-1] if number != END] == [n for n in expected if n != END]


LONG = {
    "nested round": "(a" * 33000 + ")" * 33000,
    "nested square": "[" * 50000 + "a:b:1" + "]" * 50000,
    "nested switches": "[a:" * 16000 + "b" + ":3]" * 16000,
    "nested choices": "[a|" * 25000 + "b" + "]" * 25000,
    "never closed": "([a" * 33000,
    "never opened": "a)]" * 33000,
    "crossing": "([)]" * 25000,
    "choices": "[a|b]" * 20000,
    "blanks": " " * 100000,
    "backslashes": "\\" * 100000,
    "open tags": "<a:" * 33000,
    "other letters": "(я)猫" * 25000,
}


@pytest.mark.parametrize("kind", LONG)
def test_a_prompt_of_100_kilobytes(kind, tokenizer):
    prompt = LONG[kind]
    assert cut_tags(prompt)[0] == prompt == strip_comments(prompt)
    (text, weight), *others = split_and(prompt)
    assert (text, weight, others) == (prompt.rstrip(), 1.0, [])
    assert prompt_schedule(prompt, 5)[-1][0] == 5
    assert chunk_prompt(prompt, tokenizer).chunks


COUNT = """
import json, sys
from app.prompt import parse_attention, prompt_schedule, split_and, strip_comments

def count(run):
    steps = 0
    def trace(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
    return steps

functions = [parse_attention, lambda text: prompt_schedule(text, 5), split_and, strip_comments]
units = json.loads(sys.argv[1])
print(json.dumps([[[count(lambda: f(a * n + b * n)) for n in (200, 800)] for a, b in units] for f in functions]))
"""


def test_the_work_grows_with_the_length_of_the_prompt():
    """Executed instructions, in a process of its own because they are counted by tracing: four times the text, four times the work."""
    units = [["(a", ")"], ["[a:", ":3]"], ["[a|", "]"], ["[", "]"], ["([a", ""], ["", "a)]"], ["([)]", ""], ["[a|b]", ""], ["a:b ", ""]]
    command = [sys.executable, "-c", COUNT, json.dumps(units)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    for counts in json.loads(run.stdout):
        for unit, (few, many) in zip(units, counts, strict=True):
            assert many < 4.5 * few, unit
