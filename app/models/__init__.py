"""What lies on disk: headers, families, facts, hashes and the catalogue of checkpoints and other model files.

Knows the schema; reads files without torch and never runs what is in them.

Public: `Catalog` and `HashingProgress` (catalog.py), `chosen_checkpoint` and `text_encoder_named` (choice.py), `EMBEDDED` and
`EMBEDDED_ALL` (embedded.py), `ModelFile` and `CheckpointFacts` (facts.py), `AdapterFacts` and `EmbeddingFacts` (adapters.py; by name in
`Catalog.book`), `read_facts` and `read_header` (reading.py), `yaml_beside` (hints.py), `make_folders` (folders.py),
`short_hash` and `sha256_of` (hashes.py).
"""

from app.models.adapters import AdapterFacts, EmbeddingFacts
from app.models.catalog import Catalog, HashingProgress
from app.models.choice import chosen_checkpoint, text_encoder_named
from app.models.embedded import EMBEDDED, EMBEDDED_ALL
from app.models.facts import CheckpointFacts, ModelFile
from app.models.folders import make_folders
from app.models.hashes import sha256_of, short_hash
from app.models.hints import yaml_beside
from app.models.reading import read_facts, read_header

__all__ = [
    "EMBEDDED",
    "EMBEDDED_ALL",
    "AdapterFacts",
    "Catalog",
    "CheckpointFacts",
    "EmbeddingFacts",
    "HashingProgress",
    "ModelFile",
    "chosen_checkpoint",
    "make_folders",
    "read_facts",
    "read_header",
    "sha256_of",
    "short_hash",
    "text_encoder_named",
    "yaml_beside",
]
