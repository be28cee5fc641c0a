"""How a checkpoint's networks run for one job, beside their weights."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Rows of equal settings can share a forward; the defaults change nothing."""

    tiling: bool = False
    """Convolutions go on at the opposite edge, so that the picture's edges fit each other."""
    token_merging: float = 0.0
    """Share of the tokens of the largest maps that self-attention takes together with others like them (0 to 0.9)."""


PLAIN = NetworkSettings()
