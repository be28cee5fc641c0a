"""Who runs next, by plain data: no torch, no model, a clock made of numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.scheduler import MAX_WAIT_S, Scheduler, Ticket, bucket_of, unpadded


def ticket(
    job: str,
    rows: int = 2,
    *,
    client: str = "",
    group: object = "g",
    model: str = "m",
    since: float = 0.0,
    batchable: bool = True,
    quick: bool = False,
) -> Ticket:
    return Ticket(job, client or job, group, model, rows, since, batchable, quick)


def scheduler(budget: int = 16, *tickets: Ticket) -> Scheduler:
    made = Scheduler(lambda ticket: budget)
    for t in tickets:
        made.add(t)
    return made


def test_nothing_waits() -> None:
    assert scheduler().choose((), 0.0) == []


@pytest.mark.parametrize(("rows", "bucket"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (9, 16), (16, 16), (17, 32)])
def test_buckets_are_powers_of_two(rows: int, bucket: int) -> None:
    assert bucket_of(rows) == bucket


def test_jobs_of_one_group_share_a_forward() -> None:
    shares = scheduler(16, ticket("a"), ticket("b")).choose(("m",), 0.0)
    assert {(s.ticket.job, s.start, s.rows) for s in shares} == {("a", 0, 2), ("b", 0, 2)}


def test_groups_do_not_mix() -> None:
    shares = scheduler(16, ticket("a"), ticket("b", group="other")).choose(("m",), 0.0)
    assert [s.ticket.job for s in shares] == ["a"]


def test_an_exact_job_runs_alone() -> None:
    made = scheduler(16, ticket("a", batchable=False), ticket("b"))
    assert [[s.ticket.job for s in made.choose(("m",), 0.0)] for _ in range(2)] == [["a"], ["b"]]


def test_a_large_batch_is_run_in_parts() -> None:
    made = scheduler(16, ticket("a", rows=40))
    taken = [made.choose(("m",), float(i)) for i in range(3)]
    assert [(s.start, s.rows) for shares in taken for s in shares] == [(0, 16), (16, 16), (32, 8)]
    assert made.tickets == []


def test_a_newcomer_shares_the_next_forward_with_a_batch_of_a_hundred() -> None:
    made = scheduler(16, ticket("crowd", rows=200))
    made.choose(("m",), 0.0)
    made.add(ticket("newcomer", since=0.5))
    assert "newcomer" in [s.ticket.job for s in made.choose(("m",), 1.0)]


def test_a_newcomer_of_another_size_waits_one_forward_at_most() -> None:
    made = scheduler(16, ticket("crowd", rows=200))
    made.choose(("m",), 0.0)
    made.add(ticket("newcomer", group="other size", since=0.5))
    first = [s.ticket.job for s in made.choose(("m",), 1.0)]
    second = [s.ticket.job for s in made.choose(("m",), 2.0)]
    assert "newcomer" in first + second


def test_what_a_newcomer_needs_before_its_first_step_goes_before_any_forward() -> None:
    made = scheduler(16, ticket("crowd", rows=200))
    made.choose(("m",), 0.0)
    made.add(ticket("newcomer", 1, group="load", since=0.5, batchable=False, quick=True))
    assert [s.ticket.job for s in made.choose(("m",), 1.0)] == ["newcomer"]
    made.add(ticket("newcomer", 1, group="encode", since=1.1, quick=True))
    assert [s.ticket.job for s in made.choose(("m",), 1.2)] == ["newcomer"]
    made.add(ticket("newcomer", since=1.3))
    assert {"newcomer", "crowd"} == {s.ticket.job for s in made.choose(("m",), 1.4)}


def test_twenty_jobs_of_twenty_sizes_do_not_hold_up_another_client() -> None:
    made = scheduler(16, *(ticket(f"greedy{i}", client="greedy", group=f"size {i}", since=i / 100) for i in range(20)))
    made.choose(("m",), 1.0)
    made.add(ticket("modest", group="size of its own", since=1.5))
    assert made.choose(("m",), 2.0)[0].ticket.job == "modest"


def test_clients_of_different_sizes_take_turns_and_nobody_starves() -> None:
    """Three clients with endless work of different sizes, for a hundred forwards of one second."""
    made = scheduler(4)
    turns: dict[str, list[int]] = {name: [] for name in "abc"}
    for name in "abc":
        made.add(ticket(name, rows=4, group=name))
    for turn in range(100):
        (share,) = made.choose(("m",), float(turn))
        turns[share.ticket.client].append(turn)
        made.add(ticket(share.ticket.job, rows=4, group=share.ticket.group, since=float(turn)))
    assert all(later - earlier <= 3 for seen in turns.values() for earlier, later in pairwise(seen))


def test_work_that_a_short_load_needs_waits_a_short_time() -> None:
    made = Scheduler(lambda ticket: 16, patience_s=lambda model: 1.5)
    made.add(ticket("cold", model="cold", group="c", since=0.0))
    made.add(ticket("warm", since=1.0))
    assert made.choose(("m",), 1.0)[0].ticket.job == "warm"
    made.add(ticket("warm", since=1.0))
    assert made.choose(("m",), 2.0)[0].ticket.job == "cold"


def test_two_checkpoints_that_do_not_fit_together_swap_seldom() -> None:
    """Both have endless work; only one is in memory. Each swap takes a second, each forward a tenth."""
    made = Scheduler(lambda ticket: 16, patience_s=lambda model: 10.0)
    for model in ("one", "two"):
        made.add(ticket(model, model=model, group=model))
    resident, now, swaps, longest = "one", 0.0, 0, dict.fromkeys(("one", "two"), 0.0)
    last = dict.fromkeys(("one", "two"), 0.0)
    while now < 200:
        (share,) = made.choose((resident,), now)
        if share.ticket.model != resident:
            resident, swaps, now = share.ticket.model, swaps + 1, now + 1.0
        now += 0.1
        longest[resident] = max(longest[resident], now - last[resident])
        last[resident] = now
        made.add(ticket(resident, model=resident, group=resident, since=now))
    assert swaps <= 200 / 10
    assert max(longest.values()) <= 10.0 + 2 * 1.2


def test_what_to_read_ahead_is_what_has_waited_longest() -> None:
    made = scheduler(16, ticket("a"), ticket("b", model="later", since=2.0), ticket("c", model="sooner", since=1.0))
    assert made.next_model(("m",)) == "sooner"
    assert made.next_model(("m", "sooner", "later")) is None


def test_clients_get_equal_rows_however_many_jobs_they_have() -> None:
    made = Scheduler(lambda ticket: 8)
    for job in range(20):
        made.add(ticket(f"greedy{job}", client="greedy", since=job / 100))
    served = {"greedy": 0, "modest": 0}
    for turn in range(10):
        made.add(ticket(f"modest{turn}", client="modest", since=1.0 + turn))
        for share in made.choose(("m",), 1.0 + turn):
            served[share.ticket.client] += share.rows
            if share.ticket.client == "greedy":
                made.add(ticket(share.ticket.job, client="greedy", since=1.0 + turn))
    assert served["modest"] == 20


def test_resident_checkpoints_go_first_and_the_others_do_not_starve() -> None:
    made = scheduler(16, ticket("cold", model="cold", group="c", since=0.0))
    made.add(ticket("warm", since=1.0))
    assert made.choose(("m",), 2.0)[0].ticket.job == "warm"
    made.add(ticket("warm", since=2.0))
    assert made.choose(("m",), MAX_WAIT_S + 1.0)[0].ticket.job == "cold"


def test_padding_that_would_waste_more_than_it_serves_is_avoided() -> None:
    shares = scheduler(16, *(ticket(str(i)) for i in range(5))).choose(("m",), 0.0)
    assert sum(s.rows for s in shares) == 8  # ten rows in sixteen would be six rows of nothing


def test_where_nothing_is_padded_every_row_is_taken() -> None:
    made = Scheduler(lambda ticket: 16, unpadded)
    for i in range(5):
        made.add(ticket(str(i)))
    assert sum(s.rows for s in made.choose(("m",), 0.0)) == 10


def test_dropping_a_job_leaves_its_neighbours() -> None:
    made = scheduler(16, ticket("a"), ticket("b"))
    made.drop("a")
    assert [s.ticket.job for s in made.choose(("m",), 0.0)] == ["b"]


@given(
    st.lists(st.tuples(st.integers(1, 70), st.integers(0, 4), st.booleans(), st.integers(0, 2)), min_size=1, max_size=30),
    st.sampled_from([1, 2, 4, 16, 32]),
)
def test_every_row_is_run_exactly_once(jobs: list[tuple[int, int, bool, int]], budget: int) -> None:
    tickets = [ticket(str(i), rows, client=f"c{c}", group=g, since=i / 10, batchable=b) for i, (rows, c, b, g) in enumerate(jobs)]
    made = scheduler(budget, *tickets)
    seen: dict[str, list[int]] = {t.job: [] for t in tickets}
    for turn in range(10_000):
        shares = made.choose(("m",), 10.0 + turn)
        if not shares:
            break
        assert len({(s.ticket.group, s.ticket.model) for s in shares}) == 1
        assert sum(s.rows for s in shares) <= budget
        for share in shares:
            seen[share.ticket.job] += range(share.start, share.start + share.rows)
    assert {job: len(rows) for job, rows in seen.items()} == {t.job: t.rows for t in tickets}
    assert all(rows == sorted(set(rows)) for rows in seen.values())
