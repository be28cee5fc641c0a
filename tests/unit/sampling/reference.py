"""Numbers that AUTOMATIC1111 gave, and the two noise tables they belong to."""

import json
from typing import Any

import torch

from app.sampling.table import NoiseTable, zero_terminal_snr
from tests.support.paths import DATA


def reference(name: str) -> list[dict[str, Any]]:
    """The entries of a file of tests/data."""
    entries: list[dict[str, Any]] = json.loads((DATA / name).read_text())
    return entries


ALPHAS = torch.tensor(reference("alphas.json")[0]["values"])
TABLES = {"sd1": NoiseTable(ALPHAS), "sd1 with zero terminal SNR": NoiseTable(zero_terminal_snr(ALPHAS))}
