"""The row budget from timed forwards, by made-up times."""

from pathlib import Path

import pytest

from app.engine.throughput import MEASURED_ROWS, REPEATS, Throughput


def timed(curves: Throughput, key: str, seconds: dict[int, float], limit: int = 32) -> list[int]:
    """Times everything that is wanted; in which order."""
    order = []
    while (rows := curves.next_rows(key, limit)) is not None:
        order.append(rows)
        curves.note(key, rows, seconds[rows])
    return order


CPU = {1: 0.056, 2: 0.084, 4: 0.140, 8: 0.240, 16: 0.449, 32: 0.81}
CARD = {1: 0.020, 2: 0.020, 4: 0.021, 8: 0.030, 16: 0.058, 32: 0.116}


def test_nothing_is_known_before_the_curve_is() -> None:
    curves = Throughput()
    assert curves.budget("a") is None
    curves.note("a", 1, 0.05)
    assert curves.budget("a") is None


def test_every_number_of_rows_is_timed_and_the_fewest_that_pay_are_taken() -> None:
    curves = Throughput()
    assert timed(curves, "cpu", CPU) == [rows for rows in MEASURED_ROWS for _ in range(REPEATS)]
    timed(curves, "card", CARD)
    assert curves.budget("cpu") == 32
    assert curves.budget("card") == 8  # sixteen rows are four hundredths faster, and twice as long a step
    assert curves.budget("another") is None


def test_a_disturbed_forward_does_not_count() -> None:
    curves = Throughput()
    curves.note("a", 16, 9.0)
    timed(curves, "a", CARD)
    assert curves.budget("a") == 8


def test_no_forward_is_tried_that_somebody_would_wait_long_for() -> None:
    curves = Throughput()
    assert timed(curves, "slow", {1: 2.5, 2: 4.9}) == [1, 1]


def test_rows_that_do_not_fit_are_never_the_budget() -> None:
    curves = Throughput()
    timed(curves, "small", {**CPU, 32: float("inf")})
    assert curves.budget("small") == 16


def test_curves_outlast_the_process(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "throughput.json"
    curves = Throughput(path)
    timed(curves, "card", CARD)
    curves.save()
    again = Throughput(path)
    assert again.budget("card") == 8 and again.next_rows("card", 32) is None


@pytest.mark.parametrize("content", ["", "[]", '{"a": 3}', '{"a": {"x": 1}}', "\x00"])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "throughput.json"
    path.write_text(content)
    curves = Throughput(path)
    timed(curves, "card", CARD)
    assert curves.budget("card") == 8
