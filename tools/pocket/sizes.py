"""The sizes of the small model, and those of a larger one for a GPU."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """Every width and depth of the three networks."""

    # autoencoder
    vae_ch: int = 64
    vae_mult: tuple[int, ...] = (1, 1, 2, 2)
    vae_blocks: int = 1
    z: int = 4
    scale_factor: float = 0.18215
    # denoiser
    model_channels: int = 64
    channel_mult: tuple[int, ...] = (1, 2, 3, 3)
    num_res_blocks: int = 2
    num_heads: int = 8
    # text encoder
    vocab: int = 49408
    positions: int = 77
    text_width: int = 96
    text_layers: int = 4
    text_heads: int = 3
    native_size: int = 128

    def with_vocabulary(self, tokens: int) -> Self:
        """The same with a token table of so many rows (training needs only those in use)."""
        return replace(self, vocab=tokens)

    def as_json(self) -> str:
        """What the checkpoint's metadata keep as `darkroom.config`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `as_json` wrote."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()})


SIZES: Mapping[str, Sizes] = {
    "small": Sizes(),  # about 60 MB in fp16: the one that ships
    "large": Sizes(  # about 300 MB: for a GPU
        vae_blocks=2, vae_mult=(1, 2, 4, 4), model_channels=128, channel_mult=(1, 2, 4, 4), text_width=256, text_layers=6, text_heads=4
    ),
}

State = dict[str, Tensor]
