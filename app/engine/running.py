"""One job between its first op and its end: its recipe, what it waits for, what has been answered."""

import time
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from app.engine.client import EngineJob, Stop
from app.engine.scheduler import Ticket
from app.recipes.ops import Answer, Aside, Decode, DenoiseRows, Encode, EncodeImage, Finished, Interrupted, Load, Note, Op, Recipe, Remark

InRows = DenoiseRows | Decode | Encode | EncodeImage
"""Ops that may be answered in several parts, and may share a turn with ops of the same group."""

PHASES = MappingProxyType({Load: "load", Encode: "encode", EncodeImage: "encode", DenoiseRows: "steps", Decode: "decode"})


@dataclass(eq=False)
class Running:
    """A started job. `pending` is the op it waits for; an op of several rows may be answered in several parts."""

    job: EngineJob
    recipe: Recipe
    pending: Op | None = None
    last_checkpoint: str = ""
    """Named by the newest op that names one."""
    parts: list[Tensor] = field(default_factory=list)
    stop: Stop | None = None
    """Asked for and not yet delivered."""
    interrupted: bool = False
    told: dict[str, str] = field(default_factory=dict)
    """Infotext fields that only the engine knows."""
    steps: int = 0
    previewed_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    """Where its time went, waits for others included: load, encode, steps, decode."""
    since_s: float = 0.0
    """When the recipe was last resumed."""

    @property
    def checkpoint(self) -> str:
        """The checkpoint that the job needs now: its op's, which may be another than its first (refiner, hires checkpoint)."""
        return self.last_checkpoint or self.job.params.checkpoint

    def ticket(self, now_s: float) -> Ticket:
        """The pending op for the scheduler."""
        op, job = self.pending, self.job
        if isinstance(op, InRows):
            alike = not job.params.exact
            return Ticket(job.id, job.client, op.group, op.checkpoint, op.rows, now_s, alike, quick=isinstance(op, Encode))
        return Ticket(job.id, job.client, (type(op).__name__, job.id), self.checkpoint, 1, now_s, batchable=False, quick=True)

    def answered(self, part: Tensor) -> Tensor | None:
        """Takes a part of an op's answer; the whole once every row is there."""
        assert isinstance(self.pending, InRows)
        self.parts.append(part)
        if sum(len(p) for p in self.parts) < self.pending.rows:
            return None
        whole = torch.cat(self.parts) if len(self.parts) > 1 else self.parts[0]
        self.parts = []
        return whole

    def resume(self, answer: Answer) -> Op | None:
        """Sends an answer (None starts the recipe) and gives the next op; None at the recipe's end.

        A stop that was asked for is delivered in place of the answer, unless the recipe is already decoding.
        """
        self._count_time()
        try:
            if self.stop is not None and isinstance(self.pending, DenoiseRows):
                skip, self.stop = self.stop is Stop.SKIP, None
                self.interrupted = self.interrupted or not skip
                self.parts = []
                self.pending = self.recipe.throw(Interrupted(skip=skip))
            else:
                self.pending = self.recipe.send(answer)
        except StopIteration:
            self.pending = None
        if self.pending is not None and not isinstance(self.pending, Aside | Note | Remark | Finished):
            self.last_checkpoint = self.pending.checkpoint
        return self.pending

    def _count_time(self) -> None:
        now, phase = time.monotonic(), PHASES.get(type(self.pending))
        if phase is not None:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self.since_s
        self.since_s = now

    def close(self) -> None:
        """Ends the recipe where it stands."""
        self.recipe.close()
