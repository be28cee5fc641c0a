"""Checkpoints that were made for few steps (Turbo, Lightning, LCM, Hyper): what to begin with, where the file does not say it itself."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Speed(NamedTuple):
    """What to begin with for one kind of checkpoint for few steps."""

    kind: str
    pattern: str
    """By which a file's words are known to speak of it."""
    steps: int
    cfg_scale: float
    sampler: str | None = None
    scheduler: str | None = None


_KINDS: tuple[Speed, ...] = (
    Speed("Lightning", r"\blightning", 8, 1, scheduler="SGM Uniform"),
    Speed("Hyper", r"\bhyper[-_ ]?(?:sd|xl)", 8, 1),
    Speed("LCM", r"\blcm\b|latent consistency", 6, 1.5, sampler="LCM"),
    Speed("Turbo", r"\bturbo|turbo\b", 4, 1),
)
_TOLD = ("modelspec.title", "modelspec.description", "modelspec.tags", "modelspec.merged_from", "modelspec.trigger_phrase")


def speed_of(metadata: Mapping[str, str]) -> Speed | None:
    """What to begin with; None for ordinary checkpoints. Told by the file's own words, never by its name."""
    words = "\n".join(metadata.get(key, "") for key in _TOLD)
    return next((speed for speed in _KINDS if re.search(speed.pattern, words, re.IGNORECASE)), None)


def speed_hint(metadata: Mapping[str, str]) -> str | None:
    """The same in a sentence."""
    speed = speed_of(metadata)
    if speed is None:
        return None
    named = (("schedule", speed.scheduler), ("sampler", speed.sampler))
    more = "".join(f", {what} {name}" for what, name in named if name)
    return f"A {speed.kind} checkpoint, made for few steps: {speed.steps} steps, CFG {speed.cfg_scale:g}{more}."
