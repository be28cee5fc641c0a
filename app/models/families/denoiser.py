"""Sizes of an openaimodel UNet (CompVis' layout; Rombach et al. 2022) from the shapes of its tensors."""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import TypeVar

from app.models.facts import DenoiserSizes
from app.models.families.part import Layout, Part, bare_weights, weights

T = TypeVar("T")


Heads = Callable[[int], int]
"""From a level's width to its number of attention heads."""


def denoiser_sizes(part: Part, heads: Heads) -> DenoiserSizes:
    """Sizes of a complete UNet; BadModelFile if tensors are missing or not as the layout has them."""
    model_channels, in_channels, _, _ = part.shape("input_blocks.0.0.weight", 4)
    levels = _levels(part)
    attention = [block for blocks in levels for block in blocks if _transformer(f"input_blocks.{block}.1") in part]
    if not attention:
        raise part.unknown("it has no attention to a text")
    first = f"input_blocks.{attention[0]}.1"
    multiples = tuple(_multiple(part, blocks, model_channels) for blocks in levels)
    res_blocks = _same(part, "number of blocks", [len(blocks) for blocks in levels])
    sizes = DenoiserSizes(
        in_channels=in_channels,
        out_channels=part.shape("out.2.weight", 4)[0],
        model_channels=model_channels,
        channel_mult=multiples,
        res_blocks=res_blocks,
        depths=tuple(_depths(part, [f"input_blocks.{block}.1" for block in blocks]) for blocks in levels),
        up_depths=tuple(_up_depths(part, len(levels), level, res_blocks + 1) for level in range(len(levels))),
        middle_depth=_middle_depth(part),
        heads=tuple(heads(model_channels * multiple) for multiple in multiples),
        context_width=part.shape(f"{first}.transformer_blocks.0.attn2.to_k.weight", 2)[1],
        linear_projection=len(part.tensors[_transformer(first)].shape) == 2,
        vector_width=part.shape("label_emb.0.0.weight", 2)[1] if "label_emb.0.0.weight" in part else 0,
    )
    _check_shape(part, sizes)
    part.check(_layout(sizes))
    return sizes


def _middle_depth(part: Part) -> int | None:
    depth = _depth(part, "middle_block.1")
    return depth if depth or "middle_block.2.in_layers.2.weight" in part else None


def _up_depths(part: Part, levels: int, level: int, blocks: int) -> tuple[int, ...]:
    first = blocks * (levels - 1 - level)  # the way up begins with the coarsest level
    return _depths(part, [f"output_blocks.{block}.1" for block in range(first, first + blocks)])


def _depths(part: Part, blocks: Sequence[str]) -> tuple[int, ...]:
    depths = tuple(_depth(part, block) for block in blocks)
    _same(part, "attention", [depth > 0 for depth in depths])
    return depths


def _depth(part: Part, block: str) -> int:
    return part.count(f"{block}.transformer_blocks.", ".norm1.weight")


def _check_shape(part: Part, sizes: DenoiserSizes) -> None:
    """What the modules that run it can be."""
    if [any(depths) for depths in sizes.depths] != [any(depths) for depths in sizes.up_depths]:
        raise part.unknown("its way up has attention elsewhere than its way down")
    if sizes.middle_depth == 0:
        raise part.unknown("its middle has two blocks and no attention")
    if sizes.attention_levels[-1] and sizes.middle_depth not in (None, sizes.depths[-1][0]):
        raise part.unknown("its middle is deeper or shallower than its coarsest level")


def _transformer(block: str) -> str:
    return f"{block}.proj_in.weight"


def _levels(part: Part) -> list[list[int]]:
    """Numbers of the input blocks of each level, without those that halve the size and so end a level."""
    numbers, block = list[int | None](), 1
    while True:
        if f"input_blocks.{block}.0.in_layers.2.weight" in part:
            numbers.append(block)
        elif f"input_blocks.{block}.0.op.weight" in part:
            numbers.append(None)
        else:
            break
        block += 1
    levels = [[number for number in group if number is not None] for real, group in groupby(numbers, lambda n: n is not None) if real]
    if not levels or numbers.count(None) != len(levels) - 1:
        raise part.unknown("its input blocks form no levels")
    return levels


def _multiple(part: Part, blocks: list[int], model_channels: int) -> int:
    width = _same(part, "width", [part.shape(f"input_blocks.{block}.0.in_layers.2.weight", 4)[0] for block in blocks])
    if width % model_channels:
        raise part.unknown(f"its width {width} is no multiple of {model_channels}")
    return width // model_channels


def _same(part: Part, what: str, values: list[T]) -> T:
    if any(value != following for value, following in pairwise(values)):
        raise part.unknown(f"the {what} differs within it")
    return values[0]


def _layout(sizes: DenoiserSizes) -> Layout:
    """Every tensor of a UNet of these sizes."""
    width, embedding = sizes.model_channels, 4 * sizes.model_channels
    yield from weights("time_embed.0", embedding, width)
    yield from weights("time_embed.2", embedding, embedding)
    if sizes.vector_width:
        yield from weights("label_emb.0.0", embedding, sizes.vector_width)
        yield from weights("label_emb.0.2", embedding, embedding)
    yield from weights("input_blocks.0.0", width, sizes.in_channels, 3, 3)
    skips, block = [width], 1
    last = len(sizes.channel_mult) - 1
    for level, (multiple, depths) in enumerate(zip(sizes.channel_mult, sizes.depths, strict=True)):
        for depth in depths:
            yield from _res_block(f"input_blocks.{block}.0", width, multiple * sizes.model_channels, embedding)
            width = multiple * sizes.model_channels
            yield from _attention_block(f"input_blocks.{block}.1", width, depth, sizes)
            skips.append(width)
            block += 1
        if level != last:
            yield from weights(f"input_blocks.{block}.0.op", width, width, 3, 3)
            skips.append(width)
            block += 1
    yield from _res_block("middle_block.0", width, width, embedding)
    if sizes.middle_depth is not None:
        yield from _attention_block("middle_block.1", width, sizes.middle_depth, sizes)
        yield from _res_block("middle_block.2", width, width, embedding)
    yield from _way_up(sizes, skips, width, embedding)
    yield from weights("out.0", sizes.model_channels)
    yield from weights("out.2", sizes.out_channels, sizes.model_channels, 3, 3)


def _way_up(sizes: DenoiserSizes, skips: list[int], width: int, embedding: int) -> Layout:
    block = 0
    for level, (multiple, depths) in reversed(list(enumerate(zip(sizes.channel_mult, sizes.up_depths, strict=True)))):
        for i, depth in enumerate(depths):
            yield from _res_block(f"output_blocks.{block}.0", width + skips.pop(), multiple * sizes.model_channels, embedding)
            width = multiple * sizes.model_channels
            yield from _attention_block(f"output_blocks.{block}.1", width, depth, sizes)
            if level and i == sizes.res_blocks:
                yield from weights(f"output_blocks.{block}.{2 if depth else 1}.conv", width, width, 3, 3)
            block += 1


def _res_block(name: str, width_in: int, width_out: int, embedding: int) -> Layout:
    yield from weights(f"{name}.in_layers.0", width_in)
    yield from weights(f"{name}.in_layers.2", width_out, width_in, 3, 3)
    yield from weights(f"{name}.emb_layers.1", width_out, embedding)
    yield from weights(f"{name}.out_layers.0", width_out)
    yield from weights(f"{name}.out_layers.3", width_out, width_out, 3, 3)
    if width_in != width_out:
        yield from weights(f"{name}.skip_connection", width_out, width_in, 1, 1)


def _attention_block(name: str, width: int, depth: int, sizes: DenoiserSizes) -> Layout:
    """A transformer of so many blocks; nothing for none."""
    if not depth:
        return
    projection = (width, width) if sizes.linear_projection else (width, width, 1, 1)
    yield from weights(f"{name}.norm", width)
    yield from weights(f"{name}.proj_in", *projection)
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for attention, context in (("attn1", width), ("attn2", sizes.context_width)):
            yield from bare_weights(f"{block}.{attention}.to_q", width, width)
            yield from bare_weights(f"{block}.{attention}.to_k", width, context)
            yield from bare_weights(f"{block}.{attention}.to_v", width, context)
            yield from weights(f"{block}.{attention}.to_out.0", width, width)
        for norm in ("norm1", "norm2", "norm3"):
            yield from weights(f"{block}.{norm}", width)
        yield from weights(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from weights(f"{block}.ff.net.2", width, 4 * width)
    yield from weights(f"{name}.proj_out", *projection)
