"""Sizes of a CLIP text encoder, in transformers' layout or OpenCLIP's, from the shapes of its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.models.facts import ClipSkip, TextLayout, TextSizes
from app.models.families.part import Layout, Part, weights
from app.models.header import TensorInfo

HEAD_WIDTH = 64


@dataclass(frozen=True, kw_only=True)
class TextPlan:
    """One of a family's text encoders: where it stands, and what is taken from it."""

    title: str
    place: str
    """What its tensors' names begin with, whatever their layout: `cond_stage_model.`"""
    activation: str
    pooled: bool = False
    layers_left_out: int = 0
    final_norm: bool = True
    clip_skip: ClipSkip = "always"
    zero_padded: bool = False


_LAYOUTS: tuple[tuple[str, TextLayout, str], ...] = (
    ("transformer.text_model.", "transformers", "embeddings.token_embedding.weight"),
    ("transformer.", "transformers", "embeddings.token_embedding.weight"),
    ("model.", "openclip", "token_embedding.weight"),
)
"""What follows the place, the layout, and a tensor by which it is known. The second: transformers' names before the model had a wrapper."""


def text_sizes(tensors: Mapping[str, TensorInfo], plan: TextPlan, heads: int | None, activation: str | None) -> TextSizes | None:
    """Sizes of a complete text encoder, None where there is nothing of it.

    Raises BadModelFile if tensors are missing or not as the layout has them.
    """
    place = next(((end, layout) for end, layout, probe in _LAYOUTS if f"{plan.place}{end}{probe}" in tensors), None)
    if place is None:
        if not any(name.startswith(plan.place) for name in tensors):
            return None
        place = _LAYOUTS[0][:2]  # in whichever layout, its first tensor is missing
    part = Part(plan.title, tensors, plan.place + place[0])
    openclip = place[1] == "openclip"
    vocabulary, width = part.shape("token_embedding.weight" if openclip else "embeddings.token_embedding.weight", 2)
    positions = part.shape("positional_embedding" if openclip else "embeddings.position_embedding.weight", 2)[0]
    layer = ("transformer.resblocks.", ".mlp.c_fc.weight") if openclip else ("encoder.layers.", ".mlp.fc1.weight")
    sizes = TextSizes(
        vocabulary=vocabulary,
        positions=positions,
        width=width,
        layers=part.count(*layer),
        heads=heads or max(1, width // HEAD_WIDTH),
        mlp_width=part.shape(f"{layer[0]}0{layer[1]}", 2)[0],
        activation=activation or plan.activation,
        prefix=part.prefix,
        layout=place[1],
        projected_width=_projected_width(tensors, plan, part, openclip=openclip) if plan.pooled else None,
        layers_left_out=plan.layers_left_out,
        final_norm=plan.final_norm,
        clip_skip=plan.clip_skip,
        zero_padded=plan.zero_padded,
    )
    part.check(layout_of(sizes))
    return sizes


def _projected_width(tensors: Mapping[str, TensorInfo], plan: TextPlan, part: Part, *, openclip: bool) -> int:
    if openclip:
        return part.shape("text_projection", 2)[1]
    return Part(plan.title, tensors, f"{plan.place}transformer.").shape("text_projection.weight", 2)[0]


def _transformers(sizes: TextSizes) -> Layout:
    """Every tensor of transformers' CLIPTextModel of these sizes."""
    width = sizes.width
    yield "embeddings.token_embedding.weight", (sizes.vocabulary, width)
    yield "embeddings.position_embedding.weight", (sizes.positions, width)
    for number in range(sizes.layers):
        layer = f"encoder.layers.{number}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from weights(f"{layer}.self_attn.{projection}", width, width)
        yield from weights(f"{layer}.mlp.fc1", sizes.mlp_width, width)
        yield from weights(f"{layer}.mlp.fc2", width, sizes.mlp_width)
        yield from weights(f"{layer}.layer_norm1", width)
        yield from weights(f"{layer}.layer_norm2", width)
    yield from weights("final_layer_norm", width)


def _openclip(sizes: TextSizes) -> Layout:
    """Every tensor of OpenCLIP's text tower of these sizes; queries, keys and values stand in one matrix."""
    width = sizes.width
    yield "token_embedding.weight", (sizes.vocabulary, width)
    yield "positional_embedding", (sizes.positions, width)
    for number in range(sizes.layers):
        layer = f"transformer.resblocks.{number}"
        yield f"{layer}.attn.in_proj_weight", (3 * width, width)
        yield f"{layer}.attn.in_proj_bias", (3 * width,)
        yield from weights(f"{layer}.attn.out_proj", width, width)
        yield from weights(f"{layer}.mlp.c_fc", sizes.mlp_width, width)
        yield from weights(f"{layer}.mlp.c_proj", width, sizes.mlp_width)
        yield from weights(f"{layer}.ln_1", width)
        yield from weights(f"{layer}.ln_2", width)
    yield from weights("ln_final", width)
    if sizes.projected_width is not None:
        yield "text_projection", (width, sizes.projected_width)


def layout_of(sizes: TextSizes) -> Layout:
    """Every tensor of a text encoder of these sizes, without its prefix."""
    return _openclip(sizes) if sizes.layout == "openclip" else _transformers(sizes)
