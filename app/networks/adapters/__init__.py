"""What is added to a checkpoint's networks: LoRAs of every LyCORIS kind, hypernetworks, textual inversions.

A file for each kind: `difference` is a pure function from an adapter's tensors for a layer (`parts.Parts`) and the layer's weight to
what is added at strength 1; `kinds.change_of` chooses among them. `Patches` puts sets of LoRAs into a network's weights and takes
them out again, `Hypernetworks` hooks networks in front of keys and values, `read_embedding` gives an embedding's vectors.
"""

from app.networks.adapters.embedding import read_embedding
from app.networks.adapters.hypernetwork import Hypernetwork, Hypernetworks, read_hypernetwork
from app.networks.adapters.kinds import change_of
from app.networks.adapters.lora_file import LoraFile, read_lora
from app.networks.adapters.parts import Change, DoesNotFit
from app.networks.adapters.patches import Patches, Strength

__all__ = [
    "Change",
    "DoesNotFit",
    "Hypernetwork",
    "Hypernetworks",
    "LoraFile",
    "Patches",
    "Strength",
    "change_of",
    "read_embedding",
    "read_hypernetwork",
    "read_lora",
]
