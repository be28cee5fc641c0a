"""Textual inversion (Gal et al. 2022): learned vectors in the place of tokens."""

from pathlib import Path

import torch
from torch import Tensor

from app.models.png_embedding import read_png_embedding
from app.networks.tensors import TensorFile
from app.schema.errors import BadModelFile


def read_embedding(path: Path) -> Tensor:
    """(vectors, width) float32; BadModelFile where the file is damaged, asks for code, or holds no embedding.

    Knows A1111's `.pt` and `.png`, diffusers' `.bin` with one learned word, and `.safetensors` of either kind.
    """
    if path.suffix.lower() == ".png":
        return torch.from_numpy(read_png_embedding(path)[0])
    file = TensorFile(path)
    if len(file.shapes) == 1:
        _, tensor = next(file.stream(file.shapes))
        if tensor.dim() in (1, 2) and tensor.is_floating_point():
            return tensor.float().clone().reshape(-1, tensor.shape[-1])
    raise BadModelFile(f"{path.name} holds no embedding (textual inversion) that Darkroom knows.")
