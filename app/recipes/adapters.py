"""The adapters that a prompt's tags ask for: `<lora:name:te:unet:dyn>`, `<lyco:...>` (the same) and `<hypernet:name:strength>`."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from math import isfinite
from typing import Literal, cast

from app.prompt import NetworkTag, cut_tags
from app.recipes.ops import AdapterWish, Answer, FindAdapters, FoundAdapters, Op
from app.schema.params import GenerationParams

_KINDS: Mapping[str, Literal["lora", "hypernetwork"]] = {"lora": "lora", "lyco": "lora", "hypernet": "hypernetwork"}


def adapters_of(params: GenerationParams, prompt: str, checkpoint: str) -> Generator[Op, Answer, FoundAdapters]:
    """The adapters of a prompt on a checkpoint; none where the job has extra networks disabled."""
    wishes = () if params.disable_extra_networks else wishes_of(cut_tags(prompt)[1])
    if not wishes:
        return FoundAdapters()
    return cast(FoundAdapters, (yield FindAdapters(checkpoint, wishes)))


def wishes_of(tags: Iterable[NetworkTag]) -> tuple[AdapterWish, ...]:
    """The tags that can be read, in order of mention; one with a strength that is no number does nothing.

    An adapter that is mentioned twice is applied twice, both times with the last mention's strengths, as in A1111.
    """
    read = [wish for tag in tags if (wish := _wish(tag)) is not None]
    last = {(wish.kind, wish.name): wish for wish in read}
    return tuple(last[wish.kind, wish.name] for wish in read)


def _wish(tag: NetworkTag) -> AdapterWish | None:
    kind = _KINDS.get(tag.kind)
    if kind is None:
        return None
    plain = [value for value in tag.values if "=" not in value]
    named = dict(value.split("=", 1) for value in tag.values if "=" in value)
    if not plain:
        return None
    try:
        text = _number(plain, 1, named.get("te"), 1.0)
        denoiser = _number(plain, 2, named.get("unet"), text)
        rank = max(0, int(_number(plain, 3, named.get("dyn"), 0))) or None
    except ValueError:
        return None
    return AdapterWish(kind=kind, name=plain[0], text=text, denoiser=denoiser, rank=rank)


def _number(plain: Sequence[str], place: int, named: str | None, otherwise: float) -> float:
    if named is None and len(plain) <= place:
        return otherwise
    number = float(plain[place] if named is None else named)
    if not isfinite(number):
        raise ValueError("not finite")
    return number
