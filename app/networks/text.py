"""Token ids to conditionings, through transformers' CLIPTextModel."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Inserted(NamedTuple):
    """An embedding's vectors in the place of tokens."""

    row: int
    """Of the ids."""
    position: int
    """Of its first token among the row's 77."""
    vectors: Tensor
    """(vectors, width)"""


def encode_text(text: Any, ids: Tensor, clip_skip: int, inserted: Sequence[Inserted] = ()) -> Tensor:
    """(chunks, 77) ids to (chunks, 77, width): the output `clip_skip - 1` layers before the last one, through the final norm.

    1 (or less) is the last layer; beyond the first layer lie the token embeddings, and nothing beyond these.
    """

    def insert(_: object, __: object, embedded: Tensor) -> Tensor:
        for row, position, vectors in inserted:
            embedded[row, position : position + len(vectors)] = vectors.to(embedded)
        return embedded

    hook = text.embeddings.token_embedding.register_forward_hook(insert)
    try:
        states = text(ids, output_hidden_states=True).hidden_states  # the embeddings, then every layer's output
    finally:
        hook.remove()
    answer: Tensor = text.final_layer_norm(states[-min(max(clip_skip, 1), len(states))])
    return answer
