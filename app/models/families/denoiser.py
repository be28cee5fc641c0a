"""Sizes of an openaimodel UNet (CompVis' layout; Rombach et al. 2022) from the shapes of its tensors."""

from itertools import groupby, pairwise
from typing import TypeVar

from app.models.facts import DenoiserSizes
from app.models.families.part import Layout, Part, bare_weights, weights

T = TypeVar("T")


def denoiser_sizes(part: Part, heads: int) -> DenoiserSizes:
    """Sizes of a complete UNet; BadModelFile if tensors are missing or not as the layout has them."""
    model_channels, in_channels, _, _ = part.shape("input_blocks.0.0.weight", 4)
    levels = _levels(part)
    attention = [block for blocks in levels for block in blocks if _transformer(block) in part]
    if not attention:
        raise part.unknown("it has no attention to a text")
    first = _transformer(attention[0])
    middle = "middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    sizes = DenoiserSizes(
        in_channels=in_channels,
        out_channels=part.shape("out.2.weight", 4)[0],
        model_channels=model_channels,
        channel_mult=tuple(_multiple(part, blocks, model_channels) for blocks in levels),
        res_blocks=_same(part, "number of blocks", [len(blocks) for blocks in levels]),
        attention_levels=tuple(_same(part, "attention", [_transformer(block) in part for block in blocks]) for blocks in levels),
        transformer_depth=part.count(f"input_blocks.{attention[0]}.1.transformer_blocks.", ".norm1.weight"),
        heads=heads,
        context_width=part.shape(middle, 2)[1],
        linear_projection=len(part.tensors[first].shape) == 2,
    )
    part.check(_layout(sizes))
    return sizes


def _transformer(block: int) -> str:
    return f"input_blocks.{block}.1.proj_in.weight"


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
    yield from weights("input_blocks.0.0", width, sizes.in_channels, 3, 3)
    skips, block = [width], 1
    last = len(sizes.channel_mult) - 1
    for level, (multiple, attention) in enumerate(zip(sizes.channel_mult, sizes.attention_levels, strict=True)):
        for _ in range(sizes.res_blocks):
            yield from _res_block(f"input_blocks.{block}.0", width, multiple * sizes.model_channels, embedding)
            width = multiple * sizes.model_channels
            if attention:
                yield from _attention_block(f"input_blocks.{block}.1", width, sizes)
            skips.append(width)
            block += 1
        if level != last:
            yield from weights(f"input_blocks.{block}.0.op", width, width, 3, 3)
            skips.append(width)
            block += 1
    yield from _res_block("middle_block.0", width, width, embedding)
    yield from _attention_block("middle_block.1", width, sizes)
    yield from _res_block("middle_block.2", width, width, embedding)
    yield from _way_up(sizes, skips, width, embedding)
    yield from weights("out.0", sizes.model_channels)
    yield from weights("out.2", sizes.out_channels, sizes.model_channels, 3, 3)


def _way_up(sizes: DenoiserSizes, skips: list[int], width: int, embedding: int) -> Layout:
    block = 0
    for level, (multiple, attention) in reversed(list(enumerate(zip(sizes.channel_mult, sizes.attention_levels, strict=True)))):
        for i in range(sizes.res_blocks + 1):
            yield from _res_block(f"output_blocks.{block}.0", width + skips.pop(), multiple * sizes.model_channels, embedding)
            width = multiple * sizes.model_channels
            if attention:
                yield from _attention_block(f"output_blocks.{block}.1", width, sizes)
            if level and i == sizes.res_blocks:
                yield from weights(f"output_blocks.{block}.{2 if attention else 1}.conv", width, width, 3, 3)
            block += 1


def _res_block(name: str, width_in: int, width_out: int, embedding: int) -> Layout:
    yield from weights(f"{name}.in_layers.0", width_in)
    yield from weights(f"{name}.in_layers.2", width_out, width_in, 3, 3)
    yield from weights(f"{name}.emb_layers.1", width_out, embedding)
    yield from weights(f"{name}.out_layers.0", width_out)
    yield from weights(f"{name}.out_layers.3", width_out, width_out, 3, 3)
    if width_in != width_out:
        yield from weights(f"{name}.skip_connection", width_out, width_in, 1, 1)


def _attention_block(name: str, width: int, sizes: DenoiserSizes) -> Layout:
    projection = (width, width) if sizes.linear_projection else (width, width, 1, 1)
    yield from weights(f"{name}.norm", width)
    yield from weights(f"{name}.proj_in", *projection)
    for depth in range(sizes.transformer_depth):
        block = f"{name}.transformer_blocks.{depth}"
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
