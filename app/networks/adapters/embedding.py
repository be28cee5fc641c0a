"""Textual inversion (Gal et al. 2022): learned vectors in the place of tokens."""

from pathlib import Path

import torch
from torch import Tensor

from app.models.png_embedding import read_png_embedding
from app.networks.tensors import TensorFile
from app.schema.errors import BadModelFile

SETS = ("clip_l", "clip_g")
"""Vectors for SDXL's two text encoders, in their order."""


def read_embedding(path: Path) -> Tensor:
    """(vectors, width) float32, of two text encoders side by side; BadModelFile where the file is damaged, asks for code, or is none.

    Knows A1111's `.pt` and `.png`, diffusers' `.bin` with one learned word, `.safetensors` of either kind, and SDXL's with a set of
    vectors for each of its text encoders (`clip_l`, `clip_g`).
    """
    if path.suffix.lower() == ".png":
        return torch.from_numpy(read_png_embedding(path)[0])
    file = TensorFile(path)
    if len(file.shapes) == 1:
        _, tensor = next(file.stream(file.shapes))
        if tensor.dim() in (1, 2) and tensor.is_floating_point():
            return tensor.float().clone().reshape(-1, tensor.shape[-1])
    if all(len(file.shapes.get(name, ())) == 2 for name in SETS) and len({file.shapes[name][0] for name in SETS}) == 1:
        sets = {name: tensor.float().clone() for name, tensor in file.stream(SETS)}
        return torch.cat([sets[name] for name in SETS], dim=1)
    raise BadModelFile(f"{path.name} holds no embedding (textual inversion) that Darkroom knows.")
