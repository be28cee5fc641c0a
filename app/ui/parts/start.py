"""What the fields hold when the page opens: values that suit the chosen checkpoint."""

import re
from dataclasses import dataclass

from app.models.facts import CheckpointFacts
from app.ui.parts.fields import default_of

_STEPS = re.compile(r"\b(\d{1,3}) steps\b", re.IGNORECASE)
_CFG = re.compile(r"\bCFG (\d{1,2}(?:\.\d+)?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class StartValues:
    """The first values of the fields that depend on the checkpoint."""

    steps: int
    cfg_scale: float
    size_px: int
    prompt: str = "a red apple"
    """Something that small and large models can draw."""


def start_values(facts: CheckpointFacts | None) -> StartValues:
    """Native size from the checkpoint, steps and CFG from its author's hint (`modelspec.usage_hint`), else the schema's defaults."""
    if facts is None:
        return StartValues(steps=default_of("steps"), cfg_scale=default_of("cfg_scale"), size_px=default_of("width"))
    hint = facts.usage_hint or ""
    steps, cfg = _STEPS.search(hint), _CFG.search(hint)
    return StartValues(
        steps=int(steps[1]) if steps else default_of("steps"),
        cfg_scale=float(cfg[1]) if cfg else default_of("cfg_scale"),
        size_px=facts.native_size_px,
    )
