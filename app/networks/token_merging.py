"""Token merging for diffusion (Bolya & Hoffman 2023): self-attention over fewer tokens, those that are like another taken together.

The tokens of a map are split into one of every 2x2 square (targets) and the rest (sources). The sources that are most like some
target are averaged into it before self-attention, and get its answer after it. Only the largest maps are worth it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import ceil, sqrt
from typing import Any, NamedTuple

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

STRIDE = 2


class _Merge(NamedTuple):
    """Which tokens of a map stand for which: index tensors (rows, number, 1)."""

    tokens: int
    targets: Tensor
    kept: Tensor
    """Sources that stay by themselves."""
    merged: Tensor
    """Sources that go into a target ..."""
    into: Tensor
    """... and its place among the targets."""

    def join(self, x: Tensor) -> Tensor:
        """(rows, tokens, width) to fewer tokens: the sources that are kept, then the targets with what went into them."""
        width = x.shape[-1]
        targets = _taken(x, self.targets)
        joined = targets.scatter_reduce(1, self.into.expand(-1, -1, width), _taken(x, self.merged), reduce="mean")
        return torch.cat([_taken(x, self.kept), joined], dim=1)

    def part(self, x: Tensor) -> Tensor:
        """The way back: every token gets what became of that which stood for it."""
        kept, targets = x[:, : self.kept.shape[1]], x[:, self.kept.shape[1] :]
        whole = x.new_zeros(len(x), self.tokens, x.shape[-1])
        for places, values in ((self.targets, targets), (self.kept, kept), (self.merged, _taken(targets, self.into))):
            whole.scatter_(1, places.expand(-1, -1, x.shape[-1]), values)
        return whole


@contextmanager
def merging(unet: nn.Module, ratio: float, height: int, width: int) -> Iterator[None]:
    """Inside, self-attention over maps as large as the latent (height x width) takes `ratio` of their tokens together."""
    with ExitStack() as undo:
        if ratio > 0:
            for block in unet.modules():
                if isinstance(block, BasicTransformerBlock):
                    _hook(block, ratio, (height, width), undo)
        yield


def _hook(block: Any, ratio: float, size: tuple[int, int], undo: ExitStack) -> None:
    """torch's hooks carry the merge from the block's input, which tokens are compared by, around its self-attention."""
    now: list[_Merge | None] = [None]

    def look(_block: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden: Tensor = arguments[0] if arguments else named["hidden_states"]
        now[0] = _merge_of(hidden, ratio, size)

    def before(_attention: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return arguments if now[0] is None else (now[0].join(arguments[0]), *arguments[1:])

    def after(_attention: nn.Module, _arguments: object, answer: Tensor) -> Tensor:
        return answer if now[0] is None else now[0].part(answer)

    undo.callback(block.register_forward_pre_hook(look, with_kwargs=True).remove)
    undo.callback(block.attn1.register_forward_pre_hook(before).remove)
    undo.callback(block.attn1.register_forward_hook(after).remove)


def _merge_of(x: Tensor, ratio: float, size: tuple[int, int]) -> _Merge | None:
    """What to merge in (rows, tokens, width); None where that is nothing, or where the map is smaller than the latent."""
    height, width = size
    tokens = x.shape[1]
    if ceil(sqrt(height * width // tokens)) > 1 or tokens != height * width:
        return None
    targets, sources = _split(height, width, x.device)
    count = min(len(sources), int(tokens * ratio))
    if count == 0 or len(targets) == 0:
        return None
    unit = x / x.norm(dim=-1, keepdim=True)
    likeness, nearest = (unit[:, sources] @ unit[:, targets].transpose(1, 2)).max(dim=-1)
    order = likeness.argsort(dim=-1, descending=True)
    merged, kept = order[:, :count], order[:, count:]
    into = nearest.gather(1, merged)
    return _Merge(tokens, targets.expand(len(x), -1)[..., None], sources[kept][..., None], sources[merged][..., None], into[..., None])


def _split(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The numbers of the tokens that are targets (the first of every whole square) and of the others."""
    places = torch.arange(height * width, device=device).view(height, width)
    is_target = torch.zeros(height, width, dtype=torch.bool, device=device)
    is_target[: height // STRIDE * STRIDE : STRIDE, : width // STRIDE * STRIDE : STRIDE] = True
    return places[is_target], places[~is_target]


def _taken(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(1, places.expand(-1, -1, x.shape[-1]))
