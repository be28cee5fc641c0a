"""Guidance against its formula, on rows that say which conditioning they were given."""

import pytest
import torch
from torch import Tensor

from app.sampling.contexts import of_one_length
from app.sampling.guidance import Conditions, Context, NegativeSkips, Scheduled, Watched, guided
from app.sampling.protocol import Denoise, Sampler


def asking(x: Tensor, times: int) -> Sampler:
    answer = x
    for _ in range(times):
        answer = yield Denoise(x, 1.0)
    return answer


def context(value: float, tokens: int = 77) -> Context:
    return Context(torch.full((tokens, 4), value))


def steady(value: float, tokens: int = 77) -> Scheduled:
    return Scheduled(((10, context(value, tokens)),))


def run(conditions: list[Conditions], cfg: float, times: int = 1, skips: NegativeSkips | None = None) -> tuple[Tensor, list[int]]:
    """A network whose answer is x plus the conditioning's value; also how many rows each question had."""
    x = torch.arange(len(conditions), dtype=torch.float32)[:, None, None, None].expand(-1, 4, 2, 2)
    sampler, watched, asked = asking(x, times), Watched(), []
    question = next(sampler)
    while True:
        steps = guided(question, conditions, cfg, watched, skips or NegativeSkips())
        try:
            rows = next(steps)
            while True:
                asked.append(len(rows.x))
                rows = steps.send(rows.x + rows.context[:, :1, :1, None])
        except StopIteration as answered:
            answer = answered.value
        try:
            question = sampler.send(answer)
        except StopIteration as end:
            return end.value, asked


def test_plain_guidance() -> None:
    result, asked = run([Conditions(((1.0, steady(3.0)),), steady(1.0))], 7.0)
    assert asked == [2]
    assert torch.equal(result, torch.full((1, 4, 2, 2), 1.0 + 7.0 * 2.0))


def test_every_picture_keeps_its_own_latents() -> None:
    result, asked = run([Conditions(((1.0, steady(3.0)),), steady(1.0))] * 3, 2.0)
    assert asked == [6]
    assert result[:, 0, 0, 0].tolist() == [5.0, 6.0, 7.0]


def test_at_cfg_one_the_negative_is_not_asked_for() -> None:
    result, asked = run([Conditions(((1.0, steady(3.0)),), steady(1.0))] * 2, 1.0)
    assert asked == [2]
    assert result[:, 0, 0, 0].tolist() == [3.0, 4.0]


def test_and_adds_weighted_differences() -> None:
    result, asked = run([Conditions(((0.5, steady(3.0)), (-0.25, steady(9.0))), steady(1.0))], 8.0)
    assert asked == [3]
    assert result[0, 0, 0, 0].item() == pytest.approx(1.0 + 8.0 * (0.5 * 2.0 - 0.25 * 8.0))


def test_and_whose_weights_leave_nothing_of_the_negative() -> None:
    result, asked = run([Conditions(((0.5, steady(3.0)), (0.5, steady(9.0))), steady(1.0))], 1.0)
    assert asked == [2]
    assert result[0, 0, 0, 0].item() == pytest.approx(6.0)


LENGTHS = [(154, 77, 2), (77, 231, 2), (154, 231, 2), (385, 77, 1)]
"""Tokens of prompt and negative prompt, and the rows of the first forward where not only equal lengths share one."""


@pytest.mark.parametrize(("positive", "negative", "_"), LENGTHS)
def test_prompts_of_other_lengths_are_asked_for_apart_on_a_cpu(positive: int, negative: int, _: int) -> None:
    result, asked = run([Conditions(((1.0, steady(3.0, positive)),), steady(1.0, negative))], 7.0)
    assert asked == [1, 1]
    assert result[0, 0, 0, 0].item() == 15.0


@pytest.mark.parametrize(("positive", "negative", "rows"), LENGTHS)
def test_elsewhere_they_share_a_forward_where_repeating_makes_them_equal(positive: int, negative: int, rows: int) -> None:
    texts = [Scheduled(((99, Context(torch.empty(tokens, 3, device="meta"))),)) for tokens in (positive, negative)]
    question = Denoise(torch.zeros(1, 4, 2, 2), 1.0)
    asked = next(guided(question, [Conditions(((1.0, texts[0]),), texts[1])], 7.0, Watched(), NegativeSkips()))
    assert len(asked.x) == len(asked.context) == rows


def test_contexts_are_repeated_as_a_whole() -> None:
    short, long = torch.arange(6.0).reshape(1, 2, 3), torch.arange(9.0).reshape(1, 3, 3)
    both = of_one_length([short, long])
    assert torch.equal(both[0], torch.cat([short[0]] * 3)) and torch.equal(both[1], torch.cat([long[0]] * 2))


def test_a_schedule_counts_calls_and_begins_again_past_its_end() -> None:
    part = Scheduled(((1, context(3.0)), (2, context(5.0))))
    results = [run([Conditions(((1.0, part),), steady(1.0))], 2.0, times)[0][0, 0, 0, 0].item() for times in (1, 2, 3, 4)]
    assert results == [5.0, 5.0, 9.0, 5.0]


def test_watched_holds_the_latest_guided_answer() -> None:
    watched = Watched()
    x = torch.zeros(1, 4, 2, 2)
    steps = guided(Denoise(x, 1.0), [Conditions(((1.0, steady(3.0)),), steady(1.0))], 7.0, watched, NegativeSkips())
    rows = next(steps)
    with pytest.raises(StopIteration):
        steps.send(rows.x + rows.context[:, :1, :1, None])
    assert watched.calls == 1
    assert watched.denoised is not None and watched.denoised[0, 0, 0, 0].item() == 15.0


def test_cfg_plus_plus_asks_for_the_negative_too() -> None:
    question = Denoise(torch.zeros(1, 4, 2, 2), 1.0, both=True)
    steps = guided(question, [Conditions(((1.0, steady(3.0)),), steady(1.0))], 12.5, Watched(), NegativeSkips())
    rows = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(rows.x + rows.context[:, :1, :1, None])
    assert end.value.value[:, 0, 0, 0, 0].tolist() == [3.0, 1.0]


PLAIN = Conditions(((1.0, steady(3.0)),), steady(1.0))


@pytest.mark.parametrize(
    ("skips", "rows"),
    [
        (NegativeSkips(), [2, 2, 2, 2, 2]),
        (NegativeSkips(early=0.4, calls=5), [1, 1, 1, 2, 2]),
        (NegativeSkips(early=0.01, calls=5), [1, 2, 2, 2, 2]),
        (NegativeSkips(below=2.0), [2, 1, 2, 1, 2]),
        (NegativeSkips(below=2.0, every_call=True), [1, 1, 1, 1, 1]),
        (NegativeSkips(below=1.0, every_call=True), [2, 2, 2, 2, 2]),
        (NegativeSkips(early=0.2, calls=5, below=2.0), [1, 1, 2, 1, 2]),
    ],
)
def test_the_negative_prompt_can_be_left_out(skips: NegativeSkips, rows: list[int]) -> None:
    result, asked = run([PLAIN], 7.0, 5, skips)
    assert asked == rows
    assert result[0, 0, 0, 0].item() == (15.0 if rows[-1] == 2 else 3.0)


@pytest.mark.parametrize(("timestep", "acting"), [(None, True), (100.0, False), (1.5, True)])
def test_on_timesteps_it_is_left_out_below_a_timestep(timestep: float | None, acting: bool) -> None:
    question = Denoise(torch.zeros(1, 4, 2, 2), 1.0, timestep=timestep)
    assert bool(NegativeSkips(below=2.0, every_call=True).acting(0, question)) == acting


def test_what_left_it_out_is_noted() -> None:
    watched, x = Watched(), torch.zeros(1, 4, 2, 2)
    skips = NegativeSkips(early=0.1, calls=2, below=2.0)
    for acted in ({"skip_early_cond"}, {"skip_early_cond", "s_min_uncond"}):
        steps = guided(Denoise(x, 1.0), [PLAIN], 7.0, watched, skips)
        rows = next(steps)
        assert watched.acted == acted
        with pytest.raises(StopIteration):
            steps.send(rows.x)


def test_without_a_negative_prompt_the_first_part_of_and_stands_for_it() -> None:
    parts = Conditions(((1.0, steady(3.0)), (0.5, steady(9.0))), steady(1.0))
    result, asked = run([parts, parts], 8.0, 1, NegativeSkips(early=1.0))
    assert asked == [4]
    assert result[:, 0, 0, 0].tolist() == [3.0 + 0.5 * 6.0, 4.0 + 0.5 * 6.0]
