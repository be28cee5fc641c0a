"""Where a training starts: from a checkpoint, or from nothing."""

from pathlib import Path

from tools.pocket.autoencoder import AutoencoderKL
from tools.pocket.checkpoint_file import Parts, read_parts
from tools.pocket.denoiser import UNetModel
from tools.pocket.sizes import SIZES
from tools.pocket.text_encoder import CLIPTextModel


def starting_parts(path: Path | None, size: str) -> Parts:
    """The networks of a checkpoint; fresh ones of a named size without one."""
    if path is not None:
        return read_parts(path)
    sizes = SIZES[size]
    networks = AutoencoderKL(sizes), UNetModel(sizes), CLIPTextModel(sizes)
    return Parts(*(network.state_dict() for network in networks), sizes)
