"""The prompt language: from what a person wrote to the rows of tokens that a text encoder takes, without torch.

A prompt goes through these in order: `Styles.apply`, `strip_comments`, `cut_tags` (`<lora:…>`), `split_and` (prompts only, not
negative ones), `prompt_schedule` (which text at which step), and each text through `chunk_prompt` (`chunk_prompt_old` for A1111's
old emphasis), which reads emphasis with `parse_attention`, tokens with a `Tokenizer` and textual inversions with an
`EmbeddingIndex`, and gives a `ChunkedPrompt` of `Chunk`s with their `EmbeddingFix`es. `count_tokens` does the last three for a
counter. Bad syntax is plain text everywhere; only a broken styles file is an error (`BadStyles`).
"""

from app.prompt.attention import BREAK, parse_attention
from app.prompt.chunks import CHUNK, Chunk, ChunkedPrompt, EmbeddingFix, EmbeddingIndex, Emphasis, chunk_prompt
from app.prompt.comments import strip_comments
from app.prompt.counter import TokenCount, count_tokens
from app.prompt.multicond import split_and
from app.prompt.old_emphasis import chunk_prompt_old
from app.prompt.schedule import prompt_schedule
from app.prompt.styles import BadStyles, Style, Styles, apply_styles
from app.prompt.tags import NetworkTag, cut_tags
from app.prompt.tokenizer import END, START, Tokenizer

__all__ = [
    "BREAK",
    "CHUNK",
    "END",
    "START",
    "BadStyles",
    "Chunk",
    "ChunkedPrompt",
    "EmbeddingFix",
    "EmbeddingIndex",
    "Emphasis",
    "NetworkTag",
    "Style",
    "Styles",
    "TokenCount",
    "Tokenizer",
    "apply_styles",
    "chunk_prompt",
    "chunk_prompt_old",
    "count_tokens",
    "cut_tags",
    "parse_attention",
    "prompt_schedule",
    "split_and",
    "strip_comments",
]
