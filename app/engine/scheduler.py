"""Who runs next: pure decisions over plain data. No torch, no model, no clock of its own.

A *ticket* is one op that waits for the device. Tickets of one *group* can share a forward. The client that was served longest ago
chooses the group, and its rows are filled by deficit round-robin over clients (Shreedhar & Varghese 1996): somebody's batch of a
hundred does not hold up one picture of another, nor do somebody's twenty jobs of twenty sizes.
"""

from collections import deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field

MAX_WAIT_S = 20.0
"""Longest that work for a checkpoint that is not in memory waits while others have work."""
REMEMBERED_S = 60.0
"""After so long without work a client counts as new."""
FULL_ENOUGH = 0.7
"""A forward is padded up to the next bucket when it would be filled at least this much; else it takes the bucket below."""


@dataclass(eq=False)
class Ticket:
    """One op of one job that waits for the device."""

    job: str
    client: str
    group: Hashable
    model: str
    rows: int
    since_s: float
    """When it came, or was last served in part."""
    batchable: bool = True
    """False: runs alone (loads, and every op of an `exact` job)."""
    quick: bool = False
    """Costs next to nothing beside a forward (a text encode, a look-up): goes first, so that its job can join the next forward."""
    taken: int = 0
    """Rows already run."""

    @property
    def left(self) -> int:
        """Rows still to run."""
        return self.rows - self.taken


@dataclass(frozen=True)
class Share:
    """Rows `start` to `start + rows` of a ticket in one forward."""

    ticket: Ticket
    start: int
    rows: int


def bucket_of(rows: int) -> int:
    """The number of rows a forward is padded to: 1, 2, 4, 8, 16 ... A row's result depends on that number alone."""
    return 1 << max(0, rows - 1).bit_length()


def unpadded(rows: int) -> int:
    """The bucket of devices on which a forward costs what its rows cost."""
    return rows


def always_patient(model: str) -> float:
    """The patience where nothing is known of what a load takes."""
    return MAX_WAIT_S


@dataclass
class Scheduler:
    """Chooses the next forward."""

    budget: Callable[[Ticket], int]
    """How many rows of a ticket's group fit into one forward."""
    bucket: Callable[[int], int] = bucket_of
    """What a number of rows is padded to."""
    patience_s: Callable[[str], float] = always_patient
    """How long work for a checkpoint that is not in memory waits while others have work: longer the longer its load takes."""
    tickets: list[Ticket] = field(default_factory=list)
    """In the order in which they came."""
    _deficit: dict[str, int] = field(default_factory=dict)
    """Rows a client is owed, kept from forward to forward while it has work."""
    _served_s: dict[str, float] = field(default_factory=dict)
    """When a client's rows last ran."""

    def add(self, ticket: Ticket) -> None:
        """Takes up an op; its group decides with whom it may run."""
        self.tickets.append(ticket)

    def drop(self, job: str) -> None:
        """Forgets every ticket of a job."""
        self.tickets = [ticket for ticket in self.tickets if ticket.job != job]

    def next_model(self, resident: Collection[str]) -> str | None:
        """The checkpoint that work has waited for longest among those not in memory: worth reading ahead."""
        waiting = [ticket for ticket in self.tickets if ticket.model not in resident]
        return min(waiting, key=lambda ticket: ticket.since_s).model if waiting else None

    def choose(self, resident: Collection[str], now_s: float) -> list[Share]:
        """Rows for the next forward, all of one group; empty when nothing waits.

        Work for resident checkpoints goes first; work for others waits at most its patience, then the longest waiting leads.
        """
        if not self.tickets:
            return []
        self._served_s = {client: at for client, at in self._served_s.items() if now_s - at < REMEMBERED_S}
        lead = self._lead(resident, now_s)
        budget = max(1, self.budget(lead))
        wanted = self._trimmed(self._filled(lead, budget), budget) if lead.batchable else {lead: min(lead.left, budget)}
        return [self._take(ticket, rows, now_s) for ticket, rows in wanted.items()]

    def _lead(self, resident: Collection[str], now_s: float) -> Ticket:
        ready = [t for t in self.tickets if t.model in resident]
        others = [t for t in self.tickets if t.model not in resident]
        overdue = [t for t in others if now_s - t.since_s > min(MAX_WAIT_S, self.patience_s(t.model))]
        quick = [t for t in ready if t.quick]
        if found := overdue or quick:
            return min(found, key=lambda t: t.since_s)
        return min(ready or others, key=lambda t: (self._served_s.get(t.client, float("-inf")), t.since_s))

    def _filled(self, lead: Ticket, budget: int) -> dict[Ticket, int]:
        """How many rows of which ticket, in the order of their clients' turns; the leader's client has the first turn."""
        queues: dict[str, deque[Ticket]] = {}
        for ticket in [lead, *(t for t in self.tickets if t.batchable and t.group == lead.group and t is not lead)]:
            queues.setdefault(ticket.client, deque()).append(ticket)
        self._deficit = {client: self._deficit.get(client, 0) for client in queues}
        quantum = max(1, budget // len(queues))
        wanted: dict[Ticket, int] = {}
        room, active = budget, list(queues)
        while active and room > 0:
            for client in list(active):
                self._deficit[client] += quantum
                served, blocked = self._serve(client, queues[client], room, budget)
                for ticket, rows in served.items():
                    wanted[ticket] = wanted.get(ticket, 0) + rows
                    room -= rows
                if blocked or not queues[client]:
                    active.remove(client)
        return wanted

    def _serve(self, client: str, queue: deque[Ticket], room: int, budget: int) -> tuple[dict[Ticket, int], bool]:
        """Rows that a client's deficit buys now, and whether its next ticket cannot fit into this forward any more.

        Only a ticket larger than any forward is cut: half an answer would serve nobody.
        """
        served: dict[Ticket, int] = {}
        while queue:
            ticket = queue[0]
            cut = ticket.left > budget
            if room == 0 or (not cut and ticket.left > room):
                return served, True
            if not cut and ticket.left > self._deficit[client]:
                return served, False
            rows = min(ticket.left, room, self._deficit[client])
            served[ticket] = rows
            room -= rows
            self._deficit[client] -= rows
            if cut:
                return served, False
            queue.popleft()
        self._deficit[client] = 0
        return served, False

    def _trimmed(self, wanted: dict[Ticket, int], budget: int) -> dict[Ticket, int]:
        """Leaves out the last tickets where padding up to the next bucket would waste more than it serves."""
        total = sum(wanted.values())
        full = self.bucket(total)
        if full == total or (full <= budget and total / full >= FULL_ENOUGH):
            return wanted
        below = full // 2
        kept: dict[Ticket, int] = {}
        rows = 0
        for ticket, share in wanted.items():
            if rows + share > below:
                self._deficit[ticket.client] += share  # it paid for rows that it does not get
            else:
                kept[ticket] = share
                rows += share
        return kept or wanted

    def _take(self, ticket: Ticket, rows: int, now_s: float) -> Share:
        share = Share(ticket, ticket.taken, rows)
        ticket.taken += rows
        ticket.since_s = now_s  # what is left of it goes behind the others
        if not ticket.quick:
            self._served_s[ticket.client] = now_s
        if ticket.left <= 0:
            self.tickets.remove(ticket)
        return share
