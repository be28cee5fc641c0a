"""Token ids to conditionings, through transformers' CLIP text models."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from app.models.facts import TextSizes
from app.networks.build import END_TOKEN, clip_of


class Inserted(NamedTuple):
    """An embedding's vectors in the place of tokens."""

    row: int
    """Of the ids."""
    position: int
    """Of its first token among the row's 77."""
    vectors: Tensor
    """(vectors, width), of all text encoders side by side."""


class Encoded(NamedTuple):
    """What text encoders make of chunks of text."""

    tokens: Tensor
    """(chunks, 77, width)"""
    pooled: Tensor | None = None
    """(chunks, pooled width), from the encoders that have such an output."""


class ClipSkip(NamedTuple):
    """A job's clip skip."""

    layers: int = 1
    """1: the last layer."""
    everywhere: bool = False
    """Whether it also acts where it does on request only (option `sdxl_clip_l_skip`)."""

    def layers_left_out(self, sizes: TextSizes) -> int:
        """How many of an encoder's last layers its tokens' vectors do without."""
        if sizes.clip_skip == "always" or (sizes.clip_skip == "on request" and self.everywhere):
            return max(self.layers, 1) - 1
        return sizes.layers_left_out


LAST_LAYER = ClipSkip()


def encode_text(text: Any, sizes: TextSizes, ids: Tensor, clip_skip: ClipSkip, inserted: Sequence[Inserted] = ()) -> Encoded:
    """(chunks, 77) ids through one text encoder; `inserted` are its own vectors.

    Where more layers are left out than there are the token embeddings are taken, and nothing beyond these.
    """
    clip = clip_of(text)

    def insert(_: object, __: object, embedded: Tensor) -> Tensor:
        for row, position, vectors in inserted:
            embedded[row, position : position + len(vectors)] = vectors.to(embedded)
        return embedded

    hook = clip.embeddings.token_embedding.register_forward_hook(insert)
    try:
        answer = text(_zero_padded(ids) if sizes.zero_padded else ids, output_hidden_states=True)
    finally:
        hook.remove()
    states = answer.hidden_states  # the embeddings, then every layer's output
    tokens: Tensor = states[-min(clip_skip.layers_left_out(sizes) + 1, len(states))]
    if sizes.final_norm:
        tokens = clip.final_layer_norm(tokens)
    return Encoded(tokens.float(), None if sizes.projected_width is None else answer.text_embeds.float())


def _zero_padded(ids: Tensor) -> Tensor:
    """Zeros behind the first end token, as OpenCLIP pads."""
    ended = (ids == END_TOKEN).cumsum(1)
    behind = torch.cat([torch.zeros_like(ended[:, :1]), ended[:, :-1]], dim=1) > 0
    return ids.masked_fill(behind, 0)
