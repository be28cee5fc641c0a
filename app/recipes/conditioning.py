"""From prompt texts to conditionings: schedules, AND, chunks, emphasis."""

from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from app.prompt import ChunkedPrompt, Tokenizer, chunk_prompt, cut_tags, prompt_schedule, split_and
from app.recipes.ops import Encode, Op
from app.sampling.guidance import Conditions, Scheduled
from app.schema.params import GenerationParams


def conditions_of(params: GenerationParams, tokenizer: Tokenizer, calls: int) -> Generator[Op, Tensor, Conditions]:
    """The conditionings of one picture of the job. `calls` is the number of denoiser calls, which schedules count."""
    parts: list[tuple[float, Scheduled]] = []
    for text, weight in split_and(cut_tags(params.prompt)[0]):
        parts.append((weight, (yield from _scheduled(text, params, tokenizer, calls))))
    negative = yield from _scheduled(params.negative_prompt, params, tokenizer, calls)
    longest = max(len(context) for _, part in parts for _, context in part.spans)
    return Conditions(tuple((weight, _stretched(part, longest)) for weight, part in parts), negative)


def _scheduled(text: str, params: GenerationParams, tokenizer: Tokenizer, calls: int) -> Generator[Op, Tensor, Scheduled]:
    spans = prompt_schedule(text, calls)
    prompts = [chunk_prompt(span, tokenizer) for _, span in spans]
    contexts = yield from _contexts(prompts, params, tokenizer)
    return Scheduled(tuple((end, context) for (end, _), context in zip(spans, contexts, strict=True)))


def _contexts(prompts: Sequence[ChunkedPrompt], params: GenerationParams, tokenizer: Tokenizer) -> Generator[Op, Tensor, list[Tensor]]:
    """One (tokens, width) a prompt; all texts of a schedule get the same number of chunks, filled up with empty ones."""
    count = max(len(prompt.chunks) for prompt in prompts)
    empty = chunk_prompt("", tokenizer).chunks[0]
    padded = [[*prompt.chunks, *[empty] * (count - len(prompt.chunks))] for prompt in prompts]
    ids = tuple(chunk.ids for chunks in padded for chunk in chunks)
    encoded = yield Encode(params.checkpoint, ids, params.clip_skip)
    encoded = encoded.view(len(prompts), count, *encoded.shape[1:])
    columns = [emphasised(encoded[:, i], [chunks[i].multipliers for chunks in padded]) for i in range(count)]
    return list(torch.cat(columns, dim=1))


def emphasised(encoded: Tensor, multipliers: Sequence[Sequence[float]]) -> Tensor:
    """Every token's vector times its weight, the whole scaled back to its former mean (A1111's emphasis mode "Original").

    encoded (texts, 77, width), multipliers (texts, 77). The mean runs over all texts, which are those of one prompt's schedule.
    """
    if all(multiplier == 1 for text in multipliers for multiplier in text):
        return encoded
    weighted = encoded * torch.tensor(multipliers, device=encoded.device)[..., None]
    return weighted * (encoded.mean() / weighted.mean())


def _stretched(part: Scheduled, tokens: int) -> Scheduled:
    """Parts of AND must be of one length: the last vector of a shorter one is repeated, as A1111 does."""
    return Scheduled(tuple((end, torch.cat([c, c[-1:].expand(tokens - len(c), -1)]) if len(c) < tokens else c) for end, c in part.spans))
