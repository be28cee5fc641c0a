"""Checkpoints that were made for few steps (Turbo, Lightning, LCM, Hyper): what to begin with, where the file does not say it itself."""

import re
from collections.abc import Mapping

_KINDS: tuple[tuple[str, str, str], ...] = (
    ("Lightning", r"\blightning", "8 steps, CFG 1, schedule SGM Uniform"),
    ("Hyper", r"\bhyper[-_ ]?(?:sd|xl)", "8 steps, CFG 1"),
    ("LCM", r"\blcm\b|latent consistency", "6 steps, CFG 1.5, sampler LCM"),
    ("Turbo", r"\bturbo|turbo\b", "4 steps, CFG 1"),
)
_TOLD = ("modelspec.title", "modelspec.description", "modelspec.tags", "modelspec.merged_from", "modelspec.trigger_phrase")


def speed_hint(metadata: Mapping[str, str]) -> str | None:
    """Steps and CFG to begin with, in a sentence; None for ordinary checkpoints. Told by the file's own words, never by its name."""
    words = "\n".join(metadata.get(key, "") for key in _TOLD)
    for kind, pattern, hint in _KINDS:
        if re.search(pattern, words, re.IGNORECASE):
            return f"A {kind} checkpoint, made for few steps: {hint}."
    return None
