"""Contexts of different lengths in one forward: attention to tokens that are repeated as a whole is attention to them once."""

from collections.abc import Sequence
from math import lcm

import torch
from torch import Tensor

LONGEST_REPEATED = 12 * 77
"""Contexts of whose lengths this is a multiple share forwards: those of 1, 2, 3, 4, 6 and 12 chunks."""


def length_class(tokens: int) -> int:
    """A number that is equal for lengths that share forwards."""
    return LONGEST_REPEATED if LONGEST_REPEATED % tokens == 0 else tokens


def of_one_length(contexts: Sequence[Tensor]) -> Tensor:
    """All rows of contexts of one `length_class`, each (rows, tokens, width), repeated to the least common multiple of their tokens."""
    tokens = lcm(*(context.shape[1] for context in contexts))
    return torch.cat([c if c.shape[1] == tokens else c.repeat(1, tokens // c.shape[1], 1) for c in contexts])
