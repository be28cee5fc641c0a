"""Captions as token numbers, for a vocabulary of only those tokens that occur."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from app.prompt import Tokenizer
from tools.pocket.captions import caption

KEPT = 40
"""Tokens stored for a caption; the rest, up to 77, is the end token."""
START, END = 49406, 49407
NEW_TOKEN_NOISE = 0.02


def caption_pool(
    tokenizer: Tokenizer, records: Sequence[dict], owners: Tensor, backgrounds: Sequence[str], each: int, unknown_rate: float = 0.12
) -> tuple[Tensor, list[int]]:
    """`each` tokenized captions for every latent, (latents, each, KEPT), and the token numbers in use.

    Rows hold numbers in a vocabulary of only the tokens in use, with one more at the end that stands for any other word:
    it is put into some captions, so that the model learns to pass over words that it has never seen.
    """
    rng = random.Random(0)
    used, rows = {START: 0, END: 1}, []
    for owner, background in zip(owners.tolist(), backgrounds, strict=True):
        for _ in range(each):
            ids = [used.setdefault(i, len(used)) for i in tokenizer.encode(caption(records[owner], background, rng))[: KEPT - 4]]
            if rng.random() < unknown_rate:
                for _ in range(rng.randint(1, 2)):
                    ids.insert(rng.randint(0, len(ids)), -1)
            rows.append([0, *ids] + [1] * (KEPT - 1 - len(ids)))
    table = torch.tensor(rows, dtype=torch.int32)
    table[table < 0] = len(used)
    return table.view(len(owners), each, KEPT), list(used)


def small_table(full: Tensor, used: Sequence[int]) -> Tensor:
    """The rows in use, (used + 1, width), the last one for any other word: the row that most of the table's tokens share.

    A token that is new to this stage starts a little off the shared row, so that new words can part.
    """
    rows, counts = torch.unique(full, dim=0, return_counts=True)
    unknown = rows[counts.argmax()]
    small = torch.cat([full[torch.tensor(used)], unknown[None]])
    new = (small == unknown).all(1)
    new[-1] = False
    small[new] += torch.randn(int(new.sum()), small.shape[1]) * NEW_TOKEN_NOISE
    return small


def full_table(small: Tensor, used: Sequence[int], vocabulary: int) -> Tensor:
    """The table of the whole CLIP vocabulary: tokens never seen share the row of the unknown word."""
    full = small[-1:].repeat(vocabulary, 1)
    full[torch.tensor(used)] = small[:-1]
    return full
