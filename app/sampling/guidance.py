"""Classifier-free guidance (Ho & Salimans 2022) between a sampler and the network: one `Denoise` becomes rows, rows become one answer."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from app.sampling.contexts import length_class, of_one_length
from app.sampling.protocol import Denoise

CFG_PP_UNIT = 12.5
"""A1111's CFG scale that counts as a guidance of 1 for samplers of the CFG++ kind."""


class Context(NamedTuple):
    """What one text is to a denoiser."""

    tokens: Tensor
    """(tokens, width)"""
    vector: Tensor | None = None
    """(vector width,) for networks that are told more than the time."""


class Rows(NamedTuple):
    """Asks for every row of `x` denoised under its row of `context`; the answer has the shape of `x`."""

    x: Tensor
    """(rows, channels, height/8, width/8)"""
    sigma: float
    timestep: float | None
    """As in `Denoise`: with it `x` has unit variance, and the answer is the noise in it."""
    context: Tensor
    """(rows, tokens, width)"""
    vector: Tensor | None
    """(rows, vector width), of the same rows."""
    pictures: tuple[int, ...]
    """Which picture of the batch each row belongs to (for what else a network wants of it)."""
    blind: int = 0
    """How many of the last rows are to see nothing of a picture that the network is shown."""


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A conditioning that changes on the way."""

    spans: tuple[tuple[int, Context], ...]
    """(end, conditioning) in order: each holds up to and including denoiser call `end`, counted from 0, as A1111 has it."""

    def at(self, call: int) -> Context:
        """The conditioning of one denoiser call; past the end it is the first again, as in A1111 (DPM adaptive gets there)."""
        return next((context for end, context in self.spans if call <= end), self.spans[0][1])


@dataclass(frozen=True, eq=False)
class Conditions:
    """What one picture is drawn from: the parts of its prompt (joined by AND) with their weights, and its negative prompt."""

    positive: tuple[tuple[float, Scheduled], ...]
    negative: Scheduled


@dataclass(frozen=True, kw_only=True)
class NegativeSkips:
    """The denoiser calls that do without the negative prompt, to save time; the defaults leave none out."""

    early: float = 0.0
    """Up to this share of the pass, its first call included (A1111's `skip_early_cond`); 0 for no call."""
    calls: int = 1
    """Denoiser calls of the whole pass."""
    below: float = 0.0
    """Every second call below this sigma, of samplers on timesteps below this timestep ("negative guidance minimum sigma", A1111's
    `s_min_uncond`)."""
    every_call: bool = False
    """Every call below it, not every second."""

    def acting(self, call: int, question: Denoise) -> tuple[str, ...]:
        """Which settings leave the negative prompt out of a call (counted from 0), by A1111's names; none: it is in."""
        if self.early > 0 and call / self.calls <= self.early:
            return ("skip_early_cond",)
        if call % 2 == 0 and not self.every_call:
            return ()
        if (question.sigma if question.timestep is None else question.timestep) >= self.below:
            return ()
        return ("s_min_uncond", "s_min_uncond_all") if self.every_call else ("s_min_uncond",)


@dataclass(eq=False)
class Watched:
    """What a pass has come to: read by whoever runs it, written by `guided` after every denoiser call."""

    calls: int = 0
    denoised: Tensor | None = None
    acted: set[str] = field(default_factory=set)
    """Settings that left the negative prompt out somewhere."""


Guided = Generator[Rows, Tensor, Tensor]


def guided(
    question: Denoise,
    conditions: Sequence[Conditions],
    cfg_scale: float,
    watched: Watched,
    skips: NegativeSkips,
    image_cfg: float | None = None,
) -> Guided:
    """Answers one question of a sampler with `negative + sum of weight * cfg * (positive - negative)`; returns what to send it.

    Rows are laid out as A1111 does: the positive parts of all pictures in order, then one negative row a picture. Parts whose
    number of tokens is of another `length_class` than the negative prompt's (on a CPU: another one) are asked for apart.
    Where the negative's share is exactly zero (CFG 1) it is not asked for at all. Where `skips` leave it out, the first part of the
    prompt stands in its place, at a scale of 1: a prompt of one part is then its own plain answer.

    `image_cfg` is for networks that are shown a picture: guidance towards it (Brooks et al. 2023, equation 3) beside that towards the
    prompt, with one row more a picture. Where it is 1, as where it is None, every row sees the picture.
    """
    cfg = cfg_scale / CFG_PP_UNIT if question.both else cfg_scale
    acting = skips.acting(watched.calls, question)
    watched.acted.update(acting)
    if acting:
        answer, negative = yield from _without_negative(question, conditions, watched.calls)
    elif image_cfg in (None, 1.0):
        answer, negative = yield from _denoised(question, conditions, cfg, watched.calls)
    else:
        answer, negative = yield from _shown(question, conditions, (cfg, image_cfg), watched.calls)
    watched.denoised = question.clean(answer)
    watched.calls += 1
    return torch.stack([answer, negative]) if question.both else answer


def _denoised(question: Denoise, conditions: Sequence[Conditions], cfg: float, call: int) -> Generator[Rows, Tensor, tuple[Tensor, Tensor]]:
    """After guidance, and of the negative prompt alone (without rows where it was not needed)."""
    owners = [picture for picture, c in enumerate(conditions) for _ in c.positive]
    weights = [weight * cfg for c in conditions for weight, _ in c.positive]
    positive = [part.at(call) for c in conditions for _, part in c.positive]
    wanted = [i for i, c in enumerate(conditions) if question.both or sum(weight for weight, _ in c.positive) * cfg != 1.0]
    negative = [conditions[picture].negative.at(call) for picture in wanted]
    if negative and _share(positive[0], negative[0]):
        rows = yield _rows(question, positive + negative, owners + wanted)
        positive_rows, negative_rows = rows[: len(owners)], rows[len(owners) :]
    else:
        positive_rows = yield _rows(question, positive, owners)
        negative_rows = (yield _rows(question, negative, wanted)) if negative else positive_rows[:0]
    return _combined(positive_rows, owners, weights, negative_rows, wanted), negative_rows


def _shown(
    question: Denoise, conditions: Sequence[Conditions], scales: tuple[float, float], call: int
) -> Generator[Rows, Tensor, tuple[Tensor, Tensor]]:
    """As `_denoised`, of a network that is shown a picture, with `scales` towards the prompt and towards the picture.

    The answer is blind + image scale * (negative - blind) + sum of weight * cfg * (positive - negative).
    """
    cfg, image_cfg = scales
    everyone = list(range(len(conditions)))
    owners = [picture for picture, c in enumerate(conditions) for _ in c.positive]
    weights = [weight * cfg for c in conditions for weight, _ in c.positive]
    positive = [part.at(call) for c in conditions for _, part in c.positive]
    negative = [c.negative.at(call) for c in conditions]
    if _share(positive[0], negative[0]):
        rows = yield _rows(question, positive + negative * 2, owners + everyone * 2, blind=len(everyone))
        positive_rows, rest = rows[: len(owners)], rows[len(owners) :]
    else:
        positive_rows = yield _rows(question, positive, owners)
        rest = yield _rows(question, negative * 2, everyone * 2, blind=len(everyone))
    seeing, blind = rest[: len(everyone)], rest[len(everyone) :]
    towards_prompt = _combined(positive_rows, owners, weights, seeing, everyone) - seeing
    return blind + (seeing - blind) * image_cfg + towards_prompt, seeing


def _without_negative(question: Denoise, conditions: Sequence[Conditions], call: int) -> Generator[Rows, Tensor, tuple[Tensor, Tensor]]:
    """As `_denoised`, with each picture's first part for its negative prompt and a CFG scale of 1."""
    owners = [picture for picture, c in enumerate(conditions) for _ in c.positive]
    weights = [weight for c in conditions for weight, _ in c.positive]
    rows = yield _rows(question, [part.at(call) for c in conditions for _, part in c.positive], owners)
    first = torch.stack([rows[owners.index(picture)] for picture in range(len(conditions))])
    if len(owners) == len(conditions):
        return first, first
    return _combined(rows, owners, weights, first, list(range(len(conditions)))), first


def _share(one: Context, other: Context) -> bool:
    """Whether two texts get one forward.

    On a CPU, where a forward costs what its rows cost, those of one length only: it rounds as A1111's then, which asks for others apart.
    """
    apart = one.tokens.device.type == "cpu"
    lengths = [len(text.tokens) if apart else length_class(len(text.tokens)) for text in (one, other)]
    return lengths[0] == lengths[1]


def _rows(question: Denoise, contexts: Sequence[Context], pictures: Sequence[int], blind: int = 0) -> Rows:
    vectors = [context.vector for context in contexts if context.vector is not None]
    return Rows(
        x=torch.cat([question.x[i : i + 1] for i in pictures]),
        sigma=question.sigma,
        timestep=question.timestep,
        context=of_one_length([context.tokens[None] for context in contexts]),
        vector=torch.stack(vectors) if vectors else None,
        pictures=tuple(pictures),
        blind=blind,
    )


def _combined(positive: Tensor, owners: list[int], weights: list[float], negative: Tensor, wanted: list[int]) -> Tensor:
    if not wanted and len(set(owners)) == len(owners):
        return positive
    if len(owners) == len(wanted) and len(set(weights)) == 1:  # the plain case: one part a picture, all alike
        return negative + (positive - negative) * weights[0]
    bases = dict(zip(wanted, negative.unbind(), strict=True))
    results = dict(bases)
    for row, picture, weight in zip(positive.unbind(), owners, weights, strict=True):
        base = bases.get(picture, torch.zeros_like(row))
        results[picture] = results.get(picture, base) + (row - base) * weight
    return torch.stack([results[picture] for picture in sorted(results)])
