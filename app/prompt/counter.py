"""The token counter beside a prompt field."""

from typing import NamedTuple

from app.prompt.chunks import EmbeddingIndex, chunk_prompt
from app.prompt.multicond import split_and
from app.prompt.schedule import prompt_schedule
from app.prompt.tokenizer import Tokenizer


class TokenCount(NamedTuple):
    """What the counter shows: `tokens`/`limit`."""

    tokens: int
    limit: int


def count_tokens(prompt: str, steps: int, tokenizer: Tokenizer, embeddings: EmbeddingIndex | None = None) -> TokenCount:
    """The tokens of the longest text that the prompt stands for at any step, and how many fit without another chunk."""
    texts = {text for part, _ in split_and(prompt) for _, text in prompt_schedule(part, steps)}
    longest = max((chunk_prompt(text, tokenizer, embeddings=embeddings) for text in texts), key=lambda chunked: chunked.token_count)
    return TokenCount(longest.token_count, longest.limit)
