"""The readers of pictures and texts under damaged input: bounded here, and as long as DARKROOM_FUZZ says in a run of its own."""

import os
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import check_file, check_text, mutated, seeds, texts, wrapped

EXAMPLES = int(os.environ.get("DARKROOM_FUZZ", "600"))
MAX_SECONDS = 5.0
"""No file of these sizes takes a hundredth of it; a pattern or a walk that explodes takes for ever."""
SEEDS, TEXTS = seeds(), texts()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, len(SEEDS) - 1), st.randoms(use_true_random=False))
def test_damaged_files_are_read_or_refused_with_a_sentence(index: int, random: Random) -> None:
    data = mutated(SEEDS[index], random)
    began = time.process_time()
    check_file(data)
    assert time.process_time() - began < MAX_SECONDS


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, len(TEXTS) - 1), st.randoms(use_true_random=False))
def test_damaged_texts_are_read_wherever_they_stand(index: int, random: Random) -> None:
    raw = mutated(TEXTS[index].encode(), random)
    began = time.process_time()
    check_text(raw.decode("utf-8", "replace"))
    check_file(wrapped(raw, random))
    assert time.process_time() - began < MAX_SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "a" * 150_000,
        "(" * 100_000,
        "a: b, " * 30_000,
        "\n" * 100_000,
        "Steps: 1, " + 'x: "' * 30_000,
        "Negative prompt:\n" * 10_000,
        "Steps: 1, Sampler: a, CFG scale: 1, " + "Hashes: {" * 15_000,
        '{"a":' * 30_000,
        "{" * 100_000,
        '{"1":{"class_type":"SaveImage","inputs":{"images":["1",0]}}}',
        '{"prompt": "a", "seed": ' + "9" * 100_000 + ', "base_model": "x"}',
        '"' + "\\" * 100_000 + " -s",
        "x.Negative prompt: " * 8_000 + "Steps: 1, Seed: 2",
        "Steps: 20, Sampler" * 10_000,
        " -s 1" * 20_000,
    ],
    ids=range(15),
)
def test_texts_that_explode_careless_patterns(text: str) -> None:
    began = time.process_time()
    check_text(text)
    check_file(wrapped(text.encode(), Random(1)))
    for keyword_seed in range(8):
        check_file(wrapped(text.encode(), Random(keyword_seed)))
    assert time.process_time() - began < MAX_SECONDS


def test_graphs_that_branch_without_end() -> None:
    """Every text node of 300 asks eight others: a walk without a budget would not come back."""
    import json

    nodes: dict[str, object] = {
        str(number): {
            "class_type": "Text Concatenate",
            "inputs": {f"text_{letter}": [str(number + 1 + place % 3), 0] for place, letter in enumerate("abcdefgh")},
        }
        for number in range(300)
    }
    nodes["s"] = {
        "class_type": "KSampler",
        "inputs": {"seed": 1, "steps": 2, "positive": ["e", 0], "latent_image": ["l", 0], "model": ["s", 0]},
    }
    nodes["e"] = {"class_type": "CLIPTextEncode", "inputs": {"text": ["0", 0], "clip": ["e", 0]}}
    nodes["l"] = {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["l", 0], "conditioning_2": ["e", 0]}}
    nodes["o"] = {"class_type": "SaveImage", "inputs": {"images": ["s", 0]}}
    began = time.process_time()
    check_text(json.dumps(nodes))
    assert time.process_time() - began < MAX_SECONDS
