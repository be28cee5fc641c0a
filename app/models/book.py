"""LoRAs, hypernetworks, embeddings and VAEs by the names that prompts and settings use for them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from app.models.adapters import AdapterFacts, EmbeddingFacts, adapter_facts, embedding_facts
from app.models.facts import ModelFile
from app.models.folders import Kind
from app.models.hashes import sha256_of, tensors_sha256_of
from app.models.reading import guarded
from app.schema.errors import BadModelFile

HASH_CHARS = 12
"""Of a sha256, what infotexts have of adapters and embeddings (AutoV3)."""
_BESIDE = (".vae.safetensors", ".vae.ckpt", ".vae.pt")

T = TypeVar("T")


class Book:
    """Looks files up in a catalogue; headers and hashes are read when first asked for and remembered by the file's state."""

    def __init__(self, of_kind: Callable[[Kind], Sequence[ModelFile]], told_alias: Callable[[ModelFile], str | None]) -> None:
        """`of_kind`: the catalogue's files of a kind as they are now, sorted by name. `told_alias`: a LoRA's second name (empty: it has
        none) where it was read before, by this process or another; None where it was not.
        """
        self._of_kind, self._told_alias = of_kind, told_alias
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], object] = {}

    def adapter(self, kind: Literal["lora", "hypernetwork"], name: str) -> ModelFile | None:
        """The file of this name (without ending) or, for LoRAs, of this second name in its metadata; None if there is none."""
        files = self._of_kind(kind)
        named = next((file for file in files if file.name == name), None)
        if named is not None or kind == "hypernetwork":
            return named
        return next((file for file in files if self._alias(file) == name), None)

    def adapter_facts(self, file: ModelFile) -> AdapterFacts:
        """What a LoRA's header tells; BadModelFile if it cannot be read."""
        return self._once(file, adapter_facts)

    def adapter_hash(self, file: ModelFile) -> str:
        """The hash that infotexts have of a LoRA: its own word, else that of its tensors (of the whole file, if it is a pickle)."""
        said = self.adapter_facts(file).said_hash
        if said is not None:
            return said[:HASH_CHARS]
        plain = file.path.suffix.lower() != ".safetensors"
        return self._once(file, sha256_of if plain else tensors_sha256_of)[:HASH_CHARS]

    def embeddings(self, width: int | None = None) -> Iterator[tuple[ModelFile, EmbeddingFacts]]:
        """All embeddings that can be read, or those for text encoders of one width; the first of each name."""
        seen = set()
        for file in self._of_kind("embedding"):
            try:
                facts = self._once(file, embedding_facts)
            except BadModelFile:
                continue
            if file.name not in seen and width in (None, facts.width):
                seen.add(file.name)
                yield file, facts

    def embedding_hash(self, file: ModelFile) -> str:
        """The hash that infotexts have of an embedding."""
        return self._once(file, sha256_of)[:HASH_CHARS]

    def vae(self, checkpoint: ModelFile, wanted: str, *, wins: bool) -> ModelFile | None:
        """The VAE file for a checkpoint; None: its own.

        `wanted` is a file name, "None" or "Automatic". Unless `wins`, a file beside the checkpoint goes before any wish.
        """
        files = self._of_kind("vae")
        beside = [checkpoint.path.with_name(checkpoint.name + ending) for ending in _BESIDE]
        near = next((file for path in beside for file in files if file.path == path), None)
        if wanted == "Automatic" or (near is not None and not wins):
            return near
        return next((file for file in files if wanted in (file.path.name, file.filename)), None)

    def _alias(self, file: ModelFile) -> str | None:
        told = self._told_alias(file)  # thousands of headers need not be read again for a name that none has
        if told is not None:
            return told
        try:
            return self.adapter_facts(file).alias
        except BadModelFile:
            return None

    def _once(self, file: ModelFile, read: Callable[[Path], T]) -> T:
        """What `read` says of a file in its present state, or the error it raised, asked once."""
        key = (read, file.path, file.size_bytes, file.mtime_ns)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            try:
                known = guarded(read, file.path)
            except BadModelFile as error:
                known = error
            with self._lock:
                self._known[key] = known
        if isinstance(known, BadModelFile):
            raise BadModelFile(f"{file.filename}: {known}")
        return known  # type: ignore[return-value]  # the key holds the function that gave it
