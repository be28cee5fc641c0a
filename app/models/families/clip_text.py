"""Sizes of a CLIP text encoder (transformers' layout) from the shapes of its tensors."""

from app.models.facts import TextSizes
from app.models.families.part import Layout, Part, weights


def text_sizes(part: Part, heads: int, activation: str) -> TextSizes:
    """Sizes of a complete text encoder; BadModelFile if tensors are missing or not as the layout has them."""
    vocabulary, width = part.shape("embeddings.token_embedding.weight", 2)
    sizes = TextSizes(
        vocabulary=vocabulary,
        positions=part.shape("embeddings.position_embedding.weight", 2)[0],
        width=width,
        layers=part.count("encoder.layers.", ".mlp.fc1.weight"),
        heads=heads,
        mlp_width=part.shape("encoder.layers.0.mlp.fc1.weight", 2)[0],
        activation=activation,
    )
    part.check(_layout(sizes))
    return sizes


def _layout(sizes: TextSizes) -> Layout:
    """Every tensor of a text encoder of these sizes."""
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
