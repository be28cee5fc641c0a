"""What jobs add to a checkpoint, found by name and kept in memory while it is used: LoRAs, hypernetworks, embeddings, VAEs."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from app.models import Catalog, CheckpointFacts, ModelFile
from app.networks import Checkpoint, load_autoencoder
from app.networks.adapters import LoraFile, Strength, read_embedding, read_hypernetwork, read_lora
from app.prompt import EmbeddingFix, EmbeddingIndex, Tokenizer
from app.recipes.ops import Adapter, Adapters, AdapterWish, FindAdapters, FoundAdapters, Load
from app.schema.errors import BadModelFile

log = logging.getLogger(__name__)

FILES_KEPT = 32
"""Files of any kind in memory; a LoRA has 10 to 300 MB, a VAE 160 to 330, the others less."""
BYTES_KEPT = 2 * 2**30

Stamp = tuple[str, int, int]
T = TypeVar("T")


class Shelf:
    """Reads each file once for each of its states; the ones used longest ago go first."""

    def __init__(self, catalog: Catalog, tokenizer: Tokenizer, device: torch.device, dtype: torch.dtype) -> None:
        self._catalog, self._tokenizer, self._device, self._dtype = catalog, tokenizer, device, dtype
        self._held: OrderedDict[tuple[object, ...], tuple[Any, int]] = OrderedDict()
        self._index: tuple[tuple[object, ...], EmbeddingIndex] | None = None

    # what a job asks for

    def find(self, op: FindAdapters, checkpoint: ModelFile) -> FoundAdapters:
        """The adapters of the wishes whose names are known; BadModelFile for one that cannot be read or is of another family."""
        found, hashes, unknown = [], {}, []
        bundled: dict[str, int] = {}
        for wish in op.wishes:
            file = self._catalog.book.adapter(wish.kind, wish.name)
            if file is None:
                log.info("there is no %s %r", wish.kind, wish.name)
                unknown.append(wish.name)
                continue
            found.append(self._adapter(wish, file, checkpoint))
            if wish.kind == "lora":
                hashes[wish.name] = self._catalog.book.adapter_hash(file)
                bundled |= self._bundled(file, checkpoint)
        told = {"Lora hashes": ", ".join(f"{name}: {value}" for name, value in hashes.items())} if hashes else {}
        embeddings = self._index_of(bundled | self._own_vectors(checkpoint.facts)) if bundled and checkpoint.facts else None
        return FoundAdapters(adapters=tuple(found), embeddings=embeddings, told=told, unknown=tuple(dict.fromkeys(unknown)))

    def _bundled(self, file: ModelFile, checkpoint: ModelFile) -> dict[str, int]:
        """Name to vectors of the embeddings in a LoRA's file that fit the checkpoint's text encoder."""
        width = checkpoint.facts.text_width if checkpoint.facts else 0
        return {name: shape[0] for name, shape in self._catalog.book.adapter_facts(file).bundled.items() if shape[1] == width}

    def _adapter(self, wish: AdapterWish, file: ModelFile, checkpoint: ModelFile) -> Adapter:
        path = str(file.path)
        if wish.kind == "hypernetwork":
            self._once(file.path, read_hypernetwork)
            return Adapter(wish.kind, path, 0.0, wish.text)
        width, facts = self._catalog.book.adapter_facts(file).context_width, checkpoint.facts
        if facts is not None and width is not None and width != facts.denoiser.context_width:
            raise BadModelFile(
                f"{file.filename} was made for another family of models: it takes texts of width {width}, "
                f"{checkpoint.name} has {facts.denoiser.context_width}. "
                f"Take <{wish.kind}:{wish.name}> out of the prompt, or choose another checkpoint."
            )
        layers = self._once(file.path, read_lora).layers
        text = wish.text if any(part != "denoiser" for part in layers) else 0.0
        denoiser = wish.denoiser if "denoiser" in layers else 0.0
        return Adapter(wish.kind, path, text, denoiser, wish.rank)

    def embeddings(self, facts: CheckpointFacts) -> EmbeddingIndex | None:
        """The index of the embeddings that fit a text encoder; None where there is none."""
        vectors = self._own_vectors(facts)
        return self._index_of(vectors) if vectors else None

    def _own_vectors(self, facts: CheckpointFacts) -> dict[str, int]:
        return {file.name: found.vectors for file, found in self._catalog.book.embeddings(facts.text_width)}

    def _index_of(self, vectors: Mapping[str, int]) -> EmbeddingIndex:
        key = tuple(vectors.items())
        if self._index is None or self._index[0] != key:
            self._index = key, EmbeddingIndex(vectors, self._tokenizer)
        return self._index[1]

    def embedding_hashes(self, names: Sequence[str], facts: CheckpointFacts) -> dict[str, str]:
        """Name to the hash that infotexts have, in the order of the names."""
        files = {file.name: file for file, _ in self._catalog.book.embeddings(facts.text_width)}
        return {name: self._catalog.book.embedding_hash(files[name]) for name in names if name in files}

    def vae(self, op: Load, checkpoint: ModelFile) -> tuple[str, dict[str, str]]:
        """(path of the VAE to use, empty for the checkpoint's own; infotext fields of it)."""
        file = self._catalog.book.vae(checkpoint, op.vae, wins=op.vae_wins)
        if file is None:
            return "", {}
        return str(file.path), {"VAE hash": self._catalog.hash(file)[:10], "VAE": file.path.name}

    # what a forward runs with

    def dress_text(self, checkpoint: Checkpoint, adapters: Sequence[Adapter]) -> tuple[object, ...]:
        """Puts the adapters into the text encoder; answers what its content is now, beside the checkpoint's own."""
        strengths = [self._strength(each, each.text) for each in adapters if each.kind == "lora" and each.text]
        checkpoint.adapt_text(strengths)
        return tuple((each.key, each.strength, each.rank) for each in strengths)

    def dress_denoiser(self, checkpoint: Checkpoint, adapters: Sequence[Adapter]) -> None:
        """Puts the adapters into the denoiser."""
        acting = [each for each in adapters if each.denoiser]
        loras = [self._strength(each, each.denoiser) for each in acting if each.kind == "lora"]
        hypernetworks = [(self._once(Path(a.file), read_hypernetwork), a.denoiser) for a in acting if a.kind == "hypernetwork"]
        checkpoint.adapt_denoiser(loras, hypernetworks)

    def dress_autoencoder(self, checkpoint: Checkpoint, vae: str) -> None:
        """Has the checkpoint use this VAE file, or its own for an empty name."""

        def load(path: Path) -> Any:
            return load_autoencoder(path, checkpoint.facts, str(self._device), self._dtype)

        checkpoint.use_autoencoder(self._once(Path(vae), load, checkpoint.facts.autoencoder) if vae else None)

    def vectors(self, fix: EmbeddingFix, adapters: Adapters, facts: CheckpointFacts) -> Tensor:
        """(vectors, width) of an embedding that stands in a text: a file's of its own, or one that lies in a LoRA's of the prompt."""
        file = next((file for file, _ in self._catalog.book.embeddings(facts.text_width) if file.name == fix.name), None)
        if file is not None:
            return self._once(file.path, read_embedding)
        bundles = [self._once(Path(a.file), read_lora).embeddings for a in adapters if a.kind == "lora"]
        return next(bundle[fix.name] for bundle in reversed(bundles) if fix.name in bundle)

    def _strength(self, adapter: Adapter, strength: float) -> Strength:
        path = Path(adapter.file)
        lora: LoraFile = self._once(path, read_lora)
        return Strength(lora, _stamp(path), strength, adapter.rank)

    def drop(self) -> None:
        """Forgets every file; what a checkpoint uses right now stays with it until it uses something else."""
        self._held.clear()

    def _once(self, path: Path, read: Callable[[Path], T], *more: object) -> T:
        key = (*_stamp(path), getattr(read, "__name__", ""), *more)
        if key not in self._held:
            thing = read(path)
            self._held[key] = thing, path.stat().st_size
        self._held.move_to_end(key)
        while len(self._held) > 1 and (len(self._held) > FILES_KEPT or sum(size for _, size in self._held.values()) > BYTES_KEPT):
            self._held.popitem(last=False)
        return self._held[key][0]  # type: ignore[no-any-return]  # the key holds the function that gave it


def _stamp(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError as error:
        raise BadModelFile(f"{path.name} is no longer there. Put it back, or refresh the lists.") from error
    return str(path), state.st_size, state.st_mtime_ns
