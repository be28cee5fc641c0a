"""From prompt texts to conditionings: schedules, AND, chunks, emphasis."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from app.prompt import (
    Chunk,
    ChunkedPrompt,
    EmbeddingFix,
    EmbeddingIndex,
    Tokenizer,
    chunk_prompt,
    chunk_prompt_old,
    cut_tags,
    prompt_schedule,
    split_and,
)
from app.recipes.ops import Adapters, Answer, Encode, HashEmbeddings, ModelInfo, Op
from app.recipes.settings import acted
from app.sampling.guidance import Conditions, Context, Scheduled
from app.schema.errors import TooLarge
from app.schema.family import Told
from app.schema.params import GenerationParams

MOST_CHUNKS = 4096
"""Chunks that a prompt and its negative may have, in all texts of their schedules: a gigabyte of conditionings for SD1."""

Fields = dict[str, str]
"""Infotext fields of settings that acted on the prompts."""
Words = tuple[int, tuple[int, ...], tuple[EmbeddingFix, ...]]
"""A chunk without its weights: token ids, and where embeddings stand among them."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """The prompts of one pass, and how its schedules count."""

    prompt: str
    negative: str
    calls: int
    """Denoiser calls of the first pass."""
    hires_calls: int | None = None
    """Those of the hires pass, where the prompts are for that."""
    height_px: int
    """Size of the pass's pictures, which some checkpoints are told."""
    width_px: int


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Whose text encoder reads the prompts, and with which adapters in it."""

    checkpoint: str
    info: ModelInfo
    adapters: Adapters
    embeddings: EmbeddingIndex | None
    """The textual inversions that it knows."""


def conditions_of(
    params: GenerationParams, tokenizer: Tokenizer, said: Said, encoder: Encoder
) -> Generator[Op, Answer, tuple[Conditions, Fields]]:
    """The conditionings of one picture of the job."""
    texts = _Texts(params, tokenizer, said, encoder)
    parts: list[tuple[float, Scheduled]] = []
    for text, weight in split_and(cut_tags(said.prompt)[0]):
        parts.append((weight, (yield from texts.scheduled(text))))
    negative = yield from texts.scheduled(said.negative, is_negative=True)
    longest = max(_tokens(part) for _, part in parts)
    positive = [(weight, _stretched(part, longest)) for weight, part in parts]
    told = ["emphasis"] if texts.use_emphasis and params.emphasis != "Original" else []
    if longest != _tokens(negative) and params.pad_cond_uncond_v0:
        told.append("pad_cond_uncond_v0")
        negative = _stretched(_each(negative, lambda c: c[:longest]), longest)
    elif longest != _tokens(negative) and params.pad_cond_uncond:
        told.append("pad_cond_uncond")
        empty = yield from texts.empty()
        positive = [(weight, _filled(part, empty, _tokens(negative))) for weight, part in positive]
        negative = _filled(negative, empty, longest)
    return Conditions(tuple(positive), negative), acted(params, told) | (yield from texts.told())


class _Texts:
    """Reads and encodes texts as the job's settings say."""

    def __init__(self, params: GenerationParams, tokenizer: Tokenizer, said: Said, encoder: Encoder) -> None:
        self._params, self._tokenizer, self._said, self._encoder = params, tokenizer, said, encoder
        self._embeddings, self._rules = encoder.embeddings, encoder.info.rules
        self._used: dict[str, None] = {}
        """Embeddings that stood in some text so far, in order of mention."""
        self._chunks = 0
        self.use_emphasis = False
        """Whether some text so far had brackets."""

    def told(self) -> Generator[Op, Answer, Fields]:
        """The infotext field of the embeddings that were used."""
        if not self._used:
            return {}
        hashes = cast(dict[str, str], (yield HashEmbeddings(self._encoder.checkpoint, tuple(self._used))))
        return {"TI hashes": ", ".join(f"{name}: {value}" for name, value in hashes.items())} if hashes else {}

    def scheduled(self, text: str, *, is_negative: bool = False) -> Generator[Op, Answer, Scheduled]:
        """One prompt without AND; all texts of its schedule get the same number of chunks, filled up with empty ones."""
        spans = prompt_schedule(text, self._said.calls, self._said.hires_calls, old=self._params.use_old_scheduling)
        times = Counter(said for _, said in spans)
        prompts = [self._chunked(said) for said in times]
        self.use_emphasis = self.use_emphasis or any(prompt.uses_emphasis for prompt in prompts)
        contexts = yield from self._contexts(prompts, tuple(times.values()))
        if is_negative and self._rules.zeroes_blank_negatives and not any(times):
            contexts = [_zeroed(context) for context in contexts]
        told = [self._told(context, is_negative=is_negative) for context in contexts]
        by_text = dict(zip(times, told, strict=True))
        return Scheduled(tuple((end, by_text[said]) for end, said in spans))

    def empty(self) -> Generator[Op, Answer, Tensor]:
        """(77, width) of the empty prompt."""
        (context,) = yield from self._contexts([self._chunked("")])
        return context.tokens

    def _told(self, context: Context, *, is_negative: bool) -> Context:
        """The context with the family's numbers behind its pooled text."""
        if context.vector is None:
            return context
        numbers = numbers_of(self._params, self._said, is_negative=is_negative)
        asked = torch.tensor([numbers[name] for name in self._rules.told], device=context.vector.device)
        return context._replace(vector=torch.cat([context.vector, asked]))

    def _chunked(self, text: str) -> ChunkedPrompt:
        params = self._params
        if params.use_old_emphasis_implementation:
            return chunk_prompt_old(text, self._tokenizer, embeddings=self._embeddings)
        backtrack = params.comma_padding_backtrack
        return chunk_prompt(text, self._tokenizer, emphasis=params.emphasis, backtrack=backtrack, embeddings=self._embeddings)

    def _contexts(self, prompts: Sequence[ChunkedPrompt], times: Sequence[int] = (1,)) -> Generator[Op, Answer, list[Context]]:
        """One a prompt, all with the same number of tokens; `times` is how often each stands in the schedule.

        `vector` is the pooled output of the first chunk, where there is one.
        """
        count = max(len(prompt.chunks) for prompt in prompts)
        self._chunks += count * len(prompts)
        if self._chunks > MOST_CHUNKS:
            raise TooLarge(
                f"The texts that the prompts stand for at different steps have over {MOST_CHUNKS} chunks of 75 tokens together. "
                "Let them change in fewer steps, or make them shorter."
            )
        empty = self._chunked("").chunks[0]
        padded = [[*prompt.chunks, *[empty] * (count - len(prompt.chunks))] for prompt in prompts]
        columns = [[chunks[i] for chunks in padded] for i in range(count)]
        self._used |= dict.fromkeys(fix.name for column in columns for chunk in column for fix in chunk.fixes)
        words = [tuple((chunk.ids, chunk.fixes) for chunk in column) for column in columns]
        places = {column: place for place, column in enumerate(dict.fromkeys(words))}
        asked = [(place, ids, fixes) for column, place in places.items() for ids, fixes in column]
        encoded = torch.split((yield from self._encoded(asked)), len(prompts))
        weighted = [self._weighted(encoded[places[word]], column, times) for word, column in zip(words, columns, strict=True)]
        tokens = torch.cat(weighted, dim=1)
        if not self._rules.told:
            return [Context(each) for each in tokens]
        pooled = yield from self._encoded(asked[: len(prompts)], pooled=True)
        return [Context(*both) for both in zip(tokens, pooled, strict=True)]

    def _encoded(self, chunks: Sequence[Words], *, pooled: bool = False) -> Generator[Op, Answer, Tensor]:
        op = Encode(
            checkpoint=self._encoder.checkpoint,
            ids=tuple(ids for _, ids, _ in chunks),
            clip_skip=self._params.clip_skip,
            fixes=tuple(fixes for _, _, fixes in chunks),
            adapters=self._encoder.adapters,
            skips_everywhere=self._params.sdxl_clip_l_skip,
            pooled=pooled,
            beside=tuple(number for number, _, _ in chunks),
        )
        return cast(Tensor, (yield op))

    def _weighted(self, encoded: Tensor, chunks: Sequence[Chunk], times: Sequence[int]) -> Tensor:
        """Emphasis on what each text encoder gave, which keeps a mean of its own."""
        keeps_mean, multipliers = self._params.emphasis == "Original", [chunk.multipliers for chunk in chunks]
        parts = torch.split(encoded, list(self._encoder.info.text_widths), dim=2)
        # Each as it came from its encoder: the mean of a part of a wider tensor is summed in another order.
        return torch.cat([emphasised(part.contiguous(), multipliers, times, keeps_mean=keeps_mean) for part in parts], dim=2)


def numbers_of(params: GenerationParams, said: Said, *, is_negative: bool) -> Mapping[Told, float]:
    """What checkpoints may be told beside the prompt. The picture counts as made at its own size, uncut but for the options' corner."""
    low, high = params.sdxl_refiner_low_aesthetic_score, params.sdxl_refiner_high_aesthetic_score
    return {
        "original height": said.height_px, "original width": said.width_px,
        "target height": said.height_px, "target width": said.width_px,
        "crop top": params.sdxl_crop_top, "crop left": params.sdxl_crop_left,
        "aesthetic score": low if is_negative else high,
    }  # fmt: skip


def emphasised(
    encoded: Tensor, multipliers: Sequence[Sequence[float]], times: Sequence[int] | None = None, *, keeps_mean: bool = True
) -> Tensor:
    """Every token's vector times its weight; the whole scaled back to its former mean (A1111's emphasis "Original"), or not ("No norm").

    encoded (texts, 77, width), multipliers (texts, 77). The mean runs over all texts, which are those of one prompt's schedule, each as
    many `times` as it stands there (None: once).
    """
    if all(multiplier == 1 for text in multipliers for multiplier in text):
        return encoded
    weighted = encoded * torch.tensor(multipliers, device=encoded.device)[..., None]
    return weighted * (_mean(encoded, times) / _mean(weighted, times)) if keeps_mean else weighted


def _mean(encoded: Tensor, times: Sequence[int] | None) -> Tensor:
    if times is None or len(set(times)) == 1:
        return encoded.mean()
    return encoded.mean(dim=(1, 2)) @ torch.tensor(times, device=encoded.device, dtype=encoded.dtype) / sum(times)


def _zeroed(context: Context) -> Context:
    return Context(torch.zeros_like(context.tokens), None if context.vector is None else torch.zeros_like(context.vector))


def _tokens(part: Scheduled) -> int:
    return len(part.spans[0][1].tokens)


def _stretched(part: Scheduled, tokens: int) -> Scheduled:
    """Parts of AND must be of one length: the last vector of a shorter one is repeated, as A1111 does."""
    return _each(part, lambda c: torch.cat([c, c[-1:].expand(tokens - len(c), -1)]) if len(c) < tokens else c)


def _filled(part: Scheduled, empty: Tensor, tokens: int) -> Scheduled:
    """The part with whole empty chunks at its end, as many as it takes to have this many tokens."""
    return _each(part, lambda c: torch.cat([c, *[empty] * ((tokens - len(c)) // len(empty))]))


def _each(part: Scheduled, change: Callable[[Tensor], Tensor]) -> Scheduled:
    """The part with every conditioning's tokens changed; one that stands at many steps stays one."""
    changed = {id(context): context._replace(tokens=change(context.tokens)) for _, context in part.spans}
    return Scheduled(tuple((end, changed[id(context)]) for end, context in part.spans))
