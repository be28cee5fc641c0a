"""Who runs next, by plain data: no torch, no model, a clock made of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.scheduler import MAX_WAIT_S, Scheduler, Ticket, bucket_of


def ticket(
    job: str, rows: int = 2, *, client: str = "", group: object = "g", model: str = "m", since: float = 0.0, batchable: bool = True
) -> Ticket:
    return Ticket(job, client or job, group, model, rows, since, batchable)


def scheduler(budget: int = 16, *tickets: Ticket) -> Scheduler:
    made = Scheduler(lambda group: budget)
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


def test_clients_get_equal_rows_however_many_jobs_they_have() -> None:
    made = Scheduler(lambda group: 8)
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
