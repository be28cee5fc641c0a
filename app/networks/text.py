"""Token ids to conditionings, through transformers' CLIPTextModel."""

from typing import Any

from torch import Tensor


def encode_text(text: Any, ids: Tensor, clip_skip: int) -> Tensor:
    """(chunks, 77) ids to (chunks, 77, width): the output `clip_skip - 1` layers before the last one, through the final norm.

    1 (or less) is the last layer; beyond the first layer lie the token embeddings, and nothing beyond these.
    """
    states = text(ids, output_hidden_states=True).hidden_states  # the embeddings, then every layer's output
    answer: Tensor = text.final_layer_norm(states[-min(max(clip_skip, 1), len(states))])
    return answer
