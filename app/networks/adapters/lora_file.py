"""A LoRA file (any LyCORIS kind) in memory: its tensors by network, layer and part."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from app.models.adapters import bundled_name
from app.networks.adapters.names import part_of
from app.networks.adapters.parts import Parts
from app.networks.tensors import TensorFile
from app.schema.errors import BadModelFile

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoraFile:
    """Its layers, as the file names them, in the file's number format."""

    name: str
    layers: Mapping[str, Mapping[str, Parts]]
    """Network (`denoiser`, `text`, `text_2`) to layer to part to tensor."""

    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    """Textual inversions that lie in the file: name to (vectors, width) float32."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(t.nbytes for layers in self.layers.values() for parts in layers.values() for t in parts.values())


def read_lora(path: Path) -> LoraFile:
    """The file in memory; BadModelFile where it is gone, damaged, asks for code, or holds no LoRA."""
    file = TensorFile(path)
    layers: dict[str, dict[str, dict[str, Tensor]]] = {}
    embeddings: dict[str, Tensor] = {}
    unread = 0
    for name, tensor in file.stream(file.shapes):
        part = part_of(name)
        if (embedding := bundled_name(name)) is not None:
            embeddings[embedding] = tensor.float().clone()
        elif part is None:
            unread += 1
        else:
            layers.setdefault(part.network, {}).setdefault(part.layer, {})[part.part] = tensor.clone()
    if not layers:
        raise BadModelFile(f"{path.name} holds no LoRA that Darkroom knows.")
    if unread:
        log.warning("%s: %d tensors belong to no layer that is known, and are left out", path.name, unread)
    return LoraFile(path.name, layers, embeddings)
