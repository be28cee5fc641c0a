"""From prompts to conditionings: what is encoded, how often, and what a schedule may cost."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.prompt import Tokenizer
from app.recipes.conditioning import MOST_CHUNKS, Encoder, Said, conditions_of, emphasised
from app.recipes.ops import Encode
from app.sampling.guidance import Conditions
from app.schema.errors import TooLarge
from app.schema.family import FamilyRules
from app.schema.params import make_params
from tests.support.model_info import TINY_INFO

WIDTH = 2
INFO = replace(TINY_INFO, text_widths=(WIDTH,))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer()


def read(tokenizer: Tokenizer, prompt: str, calls: int, negative: str = "", **settings: object) -> tuple[Conditions, list[Encode]]:
    """The conditionings, each token's vector being its id, and what was asked of the text encoder."""
    params = make_params(prompt=prompt, negative_prompt=negative, **settings)
    said = Said(prompt=prompt, negative=negative, calls=calls, height_px=64, width_px=64)
    recipe = conditions_of(params, tokenizer, said, Encoder(checkpoint="tiny", info=INFO, adapters=(), embeddings=None))
    asked: list[Encode] = []
    answer: Tensor | None = None
    while True:
        try:
            op = next(recipe) if answer is None else recipe.send(answer)
        except StopIteration as end:
            return end.value[0], asked
        assert isinstance(op, Encode)
        asked.append(op)
        answer = torch.tensor(op.ids, dtype=torch.float32)[..., None].expand(-1, -1, WIDTH) + 1


@pytest.mark.parametrize(("padding", "negative"), [({}, ""), ({"pad_cond_uncond": True}, "a " * 60_000), ({}, "[x|y] " * 8000)])
def test_a_long_alternation_costs_its_texts_and_not_its_steps(tokenizer: Tokenizer, padding: dict[str, bool], negative: str) -> None:
    first, second = "red castle, " * 4000, "blue river, " * 4000
    conditions, asked = read(tokenizer, f"[{first}|{second}]", 1000, negative[:99_000], **padding)
    ((_, part),) = conditions.positive
    assert [end for end, _ in part.spans] == list(range(1, 1001))
    assert part.at(0) is part.at(1) and part.at(2) is part.at(4) is part.at(998) and part.at(1) is part.at(3)
    held = {id(context): context.tokens.nbytes for _, context in (*part.spans, *conditions.negative.spans)}
    assert len(held) <= 4 and sum(held.values()) <= 4 * part.at(0).tokens.nbytes
    for op in asked:
        batches = [tuple(ids for ids, number in zip(op.ids, op.beside, strict=True) if number == each) for each in set(op.beside)]
        assert len(set(batches)) == len(batches), "nothing is encoded twice"


def test_texts_that_differ_at_every_step_have_a_limit(tokenizer: Tokenizer) -> None:
    changing = "[" + "|".join("a " * n for n in range(100)) + "]" + "castle " * 4000
    with pytest.raises(TooLarge, match=f"over {MOST_CHUNKS} chunks"):
        read(tokenizer, changing, 150)
    with pytest.raises(TooLarge, match="shorter"):
        read(tokenizer, "a BREAK " * 12_000, 20)
    read(tokenizer, changing, 20)


@pytest.mark.parametrize("prompt", ["[(a:1.3)|b] c", "[(a:1.3)|b|(c)] [d:e:0.5]"])
def test_the_mean_of_a_schedule_counts_a_text_as_often_as_it_stands(tokenizer: Tokenizer, prompt: str) -> None:
    conditions, _ = read(tokenizer, prompt, 7)
    plain, _ = read(tokenizer, prompt, 7, emphasis="Ignore")
    weighted, _ = read(tokenizer, prompt, 7, emphasis="No norm")
    ((_, part),), ((_, before),), ((_, after),) = conditions.positive, plain.positive, weighted.positive
    scale = torch.stack([c.tokens for _, c in before.spans]).mean() / torch.stack([c.tokens for _, c in after.spans]).mean()
    for (_, context), (_, weighed) in zip(part.spans, after.spans, strict=True):
        torch.testing.assert_close(context.tokens, weighed.tokens * scale)


def test_texts_without_emphasis_stay_as_they_are() -> None:
    encoded = torch.rand(2, 77, WIDTH)
    assert emphasised(encoded, [[1.0] * 77] * 2, (3, 4)) is encoded


A = 320
"""The token of that word."""
SDXL = replace(
    INFO,
    text_widths=(1, 1),
    rules=FamilyRules(told=("original height", "crop left", "aesthetic score"), zeroes_blank_negatives=True),
)


def of_sdxl(tokenizer: Tokenizer, prompt: str, negative: str, **settings: object) -> Conditions:
    """With a pooled vector of width 1: the second token's id. What it is told of stands behind it."""
    params = make_params(prompt=prompt, negative_prompt=negative, **settings)
    said = Said(prompt=prompt, negative=negative, calls=4, height_px=96, width_px=64)
    recipe = conditions_of(params, tokenizer, said, Encoder(checkpoint="tiny", info=SDXL, adapters=(), embeddings=None))
    answer: Tensor | None = None
    while True:
        try:
            op = next(recipe) if answer is None else recipe.send(answer)
        except StopIteration as end:
            return end.value[0]
        assert isinstance(op, Encode)
        ids = torch.tensor(op.ids, dtype=torch.float32)
        answer = ids[:, 1:2] if op.pooled else torch.stack([ids, 3 * ids], dim=2)


def test_numbers_stand_behind_the_pooled_text_of_the_first_chunk(tokenizer: Tokenizer) -> None:
    conditions = of_sdxl(tokenizer, "a BREAK cat", "fog", sdxl_crop_left=7)
    ((_, part),) = conditions.positive
    positive, negative = part.at(0), conditions.negative.at(0)
    assert positive.vector is not None and negative.vector is not None and len(positive.tokens) == 154
    assert positive.vector.tolist() == [A, 96.0, 7.0, 6.0]
    assert negative.vector.tolist()[1:] == [96.0, 7.0, 2.5]


@pytest.mark.parametrize(("negative", "zero"), [("", True), ("fog", False), ("[:fog:2]", False)])
def test_an_empty_negative_prompt_is_zeros_but_for_its_numbers(tokenizer: Tokenizer, negative: str, zero: bool) -> None:
    context = of_sdxl(tokenizer, "cat", negative).negative.at(0)
    assert context.vector is not None and context.vector.tolist()[1:] == [96.0, 0.0, 2.5]
    assert (not bool(context.tokens.any()) and float(context.vector[0]) == 0) is zero


def test_each_text_encoder_keeps_a_mean_of_its_own(tokenizer: Tokenizer) -> None:
    (_, weighted), (_, plain) = of_sdxl(tokenizer, "(cat:1.5) hat", "x").positive[0], of_sdxl(tokenizer, "cat hat", "x").positive[0]
    torch.testing.assert_close(weighted.at(0).tokens.mean(0), plain.at(0).tokens.mean(0))
