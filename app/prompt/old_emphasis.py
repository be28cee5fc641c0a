"""Emphasis as A1111 had it first (its option `use_old_emphasis_implementation`): brackets count by token, and one chunk is all."""

from typing import Final

from app.prompt.chunks import CHUNK, ChunkedPrompt, EmbeddingFix, EmbeddingIndex, filled_chunk, has_brackets
from app.prompt.tokenizer import Tokenizer

_FACTORS: Final = {"(": 1.1, "]": 1.1, ")": 1 / 1.1, "[": 1 / 1.1}


def _factor(token: str) -> float:
    """What a token's brackets do to the weight of everything after it."""
    factor = 1.0
    for letter in token:
        factor *= _FACTORS.get(letter, 1.0)
    return factor


def chunk_prompt_old(text: str, tokenizer: Tokenizer, *, embeddings: EmbeddingIndex | None = None) -> ChunkedPrompt:
    """One chunk; what does not fit is cut off, weights like `:1.3` and BREAK are words, and nothing can be escaped.

    A token whose brackets change the weight vanishes whole, letters and commas in it too. `token_count` is what is left.
    """
    numbers: list[int] = []
    multipliers: list[float] = []
    fixes: list[EmbeddingFix] = []
    weight, position = 1.0, 0
    ids = tokenizer.encode(text)
    while position < len(ids) and len(numbers) < CHUNK:
        factor = _factor(tokenizer.token(ids[position]))
        found = embeddings.find(ids, position) if embeddings else None
        if factor != 1.0:
            weight *= factor
            position += 1
        elif found is None:
            numbers.append(ids[position])
            multipliers.append(weight)
            position += 1
        else:
            name, vectors, tokens = found
            if len(numbers) + vectors > CHUNK:
                break
            fixes.append(EmbeddingFix(len(numbers), name, vectors))
            numbers += [0] * vectors
            multipliers += [weight] * vectors
            position += tokens
    return ChunkedPrompt((filled_chunk(numbers, multipliers, fixes),), len(numbers), has_brackets(text))
