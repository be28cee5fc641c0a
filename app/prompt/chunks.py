"""Chunks: a text of any length as rows of 77 tokens (start, 75 of the text, end), with a weight for each token."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from app.prompt.attention import BREAK, parse_attention
from app.prompt.tokenizer import END, START, Tokenizer

Emphasis: TypeAlias = Literal["Original", "No norm", "Ignore", "None"]
"""A1111's names for what weights do: kept mean, plain, read but without effect, not even read."""

CHUNK: Final = 75
"""Tokens of the text in one chunk."""

_COMMA: Final = 267


class EmbeddingFix(NamedTuple):
    """Where an embedding's vectors replace the tokens of a chunk."""

    offset: int
    """Position among the chunk's 75, not counting the start token."""
    name: str
    vectors: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row for the text encoder."""

    ids: tuple[int, ...]
    """77 token ids with start and end; 0 where an embedding's vectors go."""
    multipliers: tuple[float, ...]
    """77 weights, 1.0 at start, end and padding."""
    fixes: tuple[EmbeddingFix, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkedPrompt:
    """A text as the encoder takes it; there is always one chunk at least."""

    chunks: tuple[Chunk, ...]
    token_count: int
    """Tokens up to the last one of the text, those that fill earlier chunks included."""
    uses_emphasis: bool
    """Whether the text has an opening bracket: then A1111 notes an emphasis other than Original in the infotext."""

    @property
    def limit(self) -> int:
        """The tokens that fit without another chunk, which A1111's counter shows behind the count: 75, 150 ..."""
        return max(-(-self.token_count // CHUNK), 1) * CHUNK


class EmbeddingIndex:
    """Finds textual inversions by the tokens of their names; made once for a set of embeddings, then read only."""

    def __init__(self, vectors: Mapping[str, int], tokenizer: Tokenizer) -> None:
        """`vectors` is the number of vectors (1 to 75 are usable) of each embedding by name."""
        self._by_first: dict[int, list[tuple[list[int], str, int]]] = {}
        for name, count in vectors.items():
            ids = tokenizer.encode(name)
            if ids and 1 <= count <= CHUNK:
                self._by_first.setdefault(ids[0], []).append((ids, name, count))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: len(entry[0]), reverse=True)

    def find(self, ids: Sequence[int], position: int) -> tuple[str, int, int] | None:
        """Name, vectors and tokens of the embedding that begins at `position`, the longest name first; None if none does."""
        for name_ids, name, vectors in self._by_first.get(ids[position], ()):
            if ids[position : position + len(name_ids)] == name_ids:
                return name, vectors, len(name_ids)
        return None


def has_brackets(text: str) -> bool:
    """Whether the text counts as one with emphasis: it has an opening bracket, escaped or not."""
    return "(" in text or "[" in text


def filled_chunk(ids: Sequence[int], multipliers: Sequence[float], fixes: Sequence[EmbeddingFix]) -> Chunk:
    """The chunk of at most 75 tokens, with start, end and filling."""
    rest = CHUNK - len(ids) + 1  # at least the end itself
    return Chunk((START, *ids, *[END] * rest), (1.0, *multipliers, *[1.0] * rest), tuple(fixes))


@dataclass(slots=True)
class _Row:
    """A chunk that is being filled."""

    ids: list[int] = field(default_factory=list)
    multipliers: list[float] = field(default_factory=list)
    fixes: list[EmbeddingFix] = field(default_factory=list)
    after_comma: int = 0
    """Position behind the last comma; 0 without one."""

    def split(self, position: int) -> "_Row":
        """Takes everything from `position` on away, as the beginning of the next chunk."""
        moved = [EmbeddingFix(fix.offset - position, fix.name, fix.vectors) for fix in self.fixes if fix.offset >= position]
        following = _Row(self.ids[position:], self.multipliers[position:], moved)
        del self.ids[position:], self.multipliers[position:]
        self.fixes = [fix for fix in self.fixes if fix.offset < position]
        return following


class _Chunker:
    """Fills chunk after chunk."""

    def __init__(self, backtrack: int) -> None:
        self._backtrack = backtrack
        self._row = _Row()
        self._chunks: list[Chunk] = []

    def end_chunk(self) -> None:
        """Ends the chunk, full or not."""
        self._chunks.append(filled_chunk(self._row.ids, self._row.multipliers, self._row.fixes))
        self._row = _Row()

    def add(self, token: int, weight: float) -> None:
        """Puts one token in."""
        self._make_room(backtrack=token != _COMMA)
        self._row.ids.append(token)
        self._row.multipliers.append(weight)
        if token == _COMMA:
            self._row.after_comma = len(self._row.ids)

    def add_embedding(self, name: str, vectors: int, weight: float) -> None:
        """Puts an embedding in, in the next chunk where this one cannot hold it whole."""
        self._make_room(backtrack=True)
        if len(self._row.ids) + vectors > CHUNK:
            self.end_chunk()
        self._row.fixes.append(EmbeddingFix(len(self._row.ids), name, vectors))
        self._row.ids += [0] * vectors
        self._row.multipliers += [weight] * vectors

    def _make_room(self, backtrack: bool) -> None:
        """Ends a full chunk; what follows its last comma goes to the next one where that is few enough tokens.

        Not for a comma that comes next: it closes the phrase at the end of the chunk.
        """
        if len(self._row.ids) < CHUNK:
            return
        following = _Row()
        if backtrack and self._row.after_comma and CHUNK + 1 - self._row.after_comma <= self._backtrack:
            following = self._row.split(self._row.after_comma)
        self.end_chunk()
        self._row = following

    def finish(self) -> tuple[tuple[Chunk, ...], int]:
        """All chunks, and the tokens in them: 75 for each that ended, the last one's own number."""
        count = len(self._chunks) * CHUNK + len(self._row.ids)
        if self._row.ids or not self._chunks:
            self.end_chunk()
        return tuple(self._chunks), count


def chunk_prompt(
    text: str,
    tokenizer: Tokenizer,
    *,
    emphasis: Emphasis = "Original",
    backtrack: int = 20,
    embeddings: EmbeddingIndex | None = None,
) -> ChunkedPrompt:
    """Reads one text (a schedule's, without AND) into chunks.

    `backtrack` is the most tokens that move to the next chunk together, from the last comma on; 0 for none. With emphasis
    "Ignore" all multipliers are 1; with "None" brackets and BREAK are plain words.
    """
    pieces = [(text, 1.0)] if emphasis == "None" else parse_attention(text)
    chunker = _Chunker(backtrack)
    encode = functools.cache(tokenizer.encode)  # the same few words between thousands of brackets are encoded once
    for piece, weight in pieces:
        if (piece, weight) == BREAK:
            chunker.end_chunk()
            continue
        ids = encode(piece)
        weight = 1.0 if emphasis == "Ignore" else weight
        position = 0
        while position < len(ids):
            found = embeddings.find(ids, position) if embeddings else None
            if found is None:
                chunker.add(ids[position], weight)
                position += 1
            else:
                name, vectors, tokens = found
                chunker.add_embedding(name, vectors, weight)
                position += tokens
    chunks, count = chunker.finish()
    return ChunkedPrompt(chunks, count, has_brackets(text))
