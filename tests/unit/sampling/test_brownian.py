"""Brownian noise against torchsde, whose tree it is, and against what Brownian motions are."""

import threading
import warnings
from itertools import pairwise
from math import sqrt

import pytest
import torch
import torchsde
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sampling.brownian import BrownianMotion, increments
from app.sampling.noise import PictureNoise

SHAPE = (1, 4, 6, 5)
LOW, HIGH = 0.029167532920837402, 14.614642143249512


def randn(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def motion(seed: int = 77) -> BrownianMotion:
    return BrownianMotion(seed, SHAPE, LOW, HIGH, randn)


@given(st.integers(0, 2**53), st.lists(st.floats(LOW, HIGH), min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_any_interval_equals_torchsde(seed: int, times: list[float]) -> None:
    ours, theirs = motion(seed), torchsde.BrownianTree(LOW, torch.zeros(SHAPE), HIGH, entropy=seed)
    for one, other in pairwise(times):
        start, end = sorted((one, other))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchsde rounds its own ends and then warns of times beyond them
            expected = theirs(start, end) if round(start, 6) != round(end, 6) else torch.zeros(SHAPE)
        assert torch.equal(ours.increment(start, end), expected)


def test_parts_make_the_whole() -> None:
    whole = motion().increment(1.0, 9.0)
    asked = motion()
    parts = [asked.increment(start, end) for start, end in [(5.0, 9.0), (2.5, 5.0), (1.0, 2.5)]]
    torch.testing.assert_close(sum(parts), whole, rtol=0, atol=1e-5)


def test_what_was_asked_before_changes_nothing() -> None:
    used = motion()
    for start, end in [(3.0, 4.0), (0.5, 12.0), (7.0, 7.5)]:
        used.increment(start, end)
    torch.testing.assert_close(used.increment(2.0, 3.0), motion().increment(2.0, 3.0), rtol=0, atol=1e-5)


def test_beyond_its_ends_it_stands_still() -> None:
    torch.testing.assert_close(motion().increment(0.0, 99.0), motion().increment(LOW, HIGH))
    assert not motion().increment(20.0, 30.0).any()


def test_increments_are_unit_normal_and_independent() -> None:
    wide = BrownianMotion(5, (1, 4, 64, 64), LOW, HIGH, randn)
    first, second = increments([wide], [(9.0, 2.0), (2.0, 0.5)])
    for noise in (first, second):
        assert abs(float(noise.mean())) < 0.04 and abs(float(noise.std()) - 1) < 0.03  # 5 standard errors of 16384 numbers
    assert abs(float((first * second).mean())) < 0.04


@pytest.mark.parametrize("kind", ["CPU", "NV"])
def test_pictures_have_motions_of_their_own(kind: str) -> None:
    intervals = [(14.0, 6.0), (6.0, 0.5)]
    together = list(PictureNoise([7, 8], (4, 6, 5), kind=kind).increments(LOW, HIGH, intervals))
    alone = list(PictureNoise([8], (4, 6, 5), kind=kind).increments(LOW, HIGH, intervals))
    assert all(torch.equal(both[1], one[0]) for both, one in zip(together, alone, strict=True))
    assert not torch.equal(together[0][0], together[0][1])


def test_the_kind_of_generator_counts() -> None:
    cpu, nv = (next(PictureNoise([7], (4, 6, 5), kind=kind).increments(LOW, HIGH, [(9.0, 1.0)])) for kind in ("CPU", "NV"))
    assert not torch.allclose(cpu, nv)


def test_a_span_widens_the_motion() -> None:
    """The end of a schedule sees what the whole of it would have seen there, whatever it is told of its own ends."""
    whole = next(PictureNoise([7], (4, 6, 5)).increments(LOW, HIGH, [(2.0, 1.0)]))
    part = next(PictureNoise([7], (4, 6, 5), span=[HIGH, 3.0, LOW, 0.0]).increments(LOW, 2.0, [(2.0, 1.0)]))
    other = next(PictureNoise([7], (4, 6, 5)).increments(LOW, 2.0, [(2.0, 1.0)]))
    assert torch.equal(whole, part) and not torch.allclose(whole, other)


def test_a_shared_motion_is_one_for_the_batch() -> None:
    shared = next(PictureNoise([7, 8], (4, 6, 5), shared_motion=True).increments(LOW, HIGH, [(9.0, 1.0)]))
    seed = int(torch.randint(0, 2**63 - 1, (), generator=torch.Generator().manual_seed(8)))
    expected = BrownianMotion(seed, (2, 4, 6, 5), LOW, HIGH, randn).increment(1.0, 9.0) / -sqrt(8)
    torch.testing.assert_close(shared, expected)


def test_no_thread_is_left_behind() -> None:
    finished = list(increments([motion()], [(9.0, 2.0), (2.0, 0.5)]))
    dropped = increments([motion()], [(9.0, 2.0), (2.0, 0.5), (0.5, 0.1)])
    next(dropped)
    assert any(thread.name.startswith("noise") for thread in threading.enumerate())
    del dropped
    assert len(finished) == 2
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("noise")]
