"""What forwards, encodes and decodes need beside the weights, and what that leaves room for.

The constants are exact counts: the networks were run on the meta device at full size, and the bytes of all tensors alive at once
were summed (`tests/unit/engine/test_memory.py` does it again). What a device takes beyond that is learnt from what it is seen to take.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil
import torch

from app.models.facts import CheckpointFacts
from app.networks.bands import BAND_BYTES
from app.networks.offload import Placement

FORWARD_MAPS, FORWARD_MAPS_COARSE = 26.2, 16.3
"""Peak of a denoiser's forward, in maps of its base width at the latent's size; the second where the finest level has no attention."""
DECODE_MAPS, DECODE_MAPS_IN_BANDS = 6.0, 3.0
"""Peak of a decode, in maps of the autoencoder's base width at the picture's size; the second on a CPU (`networks/bands.py`)."""
ENCODE_MAPS = 4.0
MARGIN = 1.25
"""For what libraries take beside the tensors, until it has been measured."""
PIXELS_A_LATENT = 64
TILE = 64
"""Side of a decoder's tile in latents."""


def forward_bytes(facts: CheckpointFacts, rows: int, height: int, width: int, itemsize: int) -> int:
    """Of a denoiser's forward; height and width in latents."""
    maps = FORWARD_MAPS if facts.denoiser.attention_levels[0] else FORWARD_MAPS_COARSE
    return int(maps * rows * height * width * facts.denoiser.model_channels * itemsize)


def decode_bytes(facts: CheckpointFacts, pictures: int, height: int, width: int, itemsize: int, *, in_bands: bool = False) -> int:
    """Of a decode; height and width in latents."""
    maps = DECODE_MAPS_IN_BANDS if in_bands else DECODE_MAPS
    return int(maps * pictures * height * width * PIXELS_A_LATENT * facts.autoencoder.channels * itemsize)


def encode_bytes(facts: CheckpointFacts, pictures: int, height: int, width: int, itemsize: int) -> int:
    """Of an encode; height and width in latents."""
    return int(ENCODE_MAPS * pictures * height * width * PIXELS_A_LATENT * facts.autoencoder.channels * itemsize)


def placement_for(weights: Mapping[str, int], work: Mapping[str, int], budget_bytes: int) -> Placement:
    """How much of a checkpoint is on the device at once, from its networks' bytes, what each needs to work, and what there is.

    A decode that does not fit is tiled and a forward of two rows can be one of one, so `work` is that of the least that must fit.
    """
    if sum(weights.values()) + max(work.values()) <= budget_bytes:
        return Placement.WHOLE
    if max(size + work.get(part, 0) for part, size in weights.items()) <= budget_bytes:
        return Placement.PARTS
    return Placement.STREAM


def least_work(facts: CheckpointFacts, itemsize: int) -> dict[str, int]:
    """What each network must have room for, at the checkpoint's native size: a forward of two rows, a tile of a decode."""
    side = facts.native_size_px // 8
    tile = min(TILE, side)
    return {
        "denoiser": int(MARGIN * forward_bytes(facts, 2, side, side, itemsize)),
        "autoencoder": int(MARGIN * decode_bytes(facts, 1, tile, tile, itemsize)),
    }


def free_bytes(device: torch.device) -> int:
    """What can still be had on a device."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


@dataclass
class MemoryModel:
    """How many rows fit into what is free, corrected by what forwards and decodes are seen to take."""

    itemsize: int
    in_bands: bool = False
    _seen: dict[str, float] = field(default_factory=dict)
    """Largest measured share of an estimate, by kind of work."""

    def rows_that_fit(self, facts: CheckpointFacts, height: int, width: int, free: int) -> int:
        """Of one forward; at least 1, because only trying tells for sure."""
        return max(1, int(free // (self._factor("forward") * forward_bytes(facts, 1, height, width, self.itemsize))))

    def pictures_that_fit(self, facts: CheckpointFacts, height: int, width: int, free: int) -> int:
        """Of one decode; 0 where it has to be tiled."""
        one = decode_bytes(facts, 1, height, width, self.itemsize, in_bands=self.in_bands)
        return int(free // (self._factor("decode") * one))

    def pictures_that_pay(self, facts: CheckpointFacts, height: int, width: int, pictures: int) -> int:
        """Of so many, those that are best decoded at once: where maps are worked on in bands, as many as do not need it (half the time)."""
        if not self.in_bands:
            return pictures
        one_map = height * width * PIXELS_A_LATENT * facts.autoencoder.channels * self.itemsize
        return max(1, min(pictures, BAND_BYTES // one_map))

    def encode_fits(self, facts: CheckpointFacts, height: int, width: int, free: int) -> bool:
        """Whether one picture can be encoded whole."""
        return self._factor("encode") * encode_bytes(facts, 1, height, width, self.itemsize) <= free

    def correct(self, kind: str, estimated: int, measured: int) -> None:
        """Takes in what a forward, decode or encode was seen to take."""
        if estimated > 0 and measured > 0:
            self._seen[kind] = max(self._seen.get(kind, 0.0), measured / estimated)

    def _factor(self, kind: str) -> float:
        return self._seen[kind] * 1.05 if kind in self._seen else MARGIN
