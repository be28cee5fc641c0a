"""The files that a picture was made with, and whether they are here: by hash first, by name last."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from app.metadata import Restored
from app.models.catalog import Catalog
from app.models.facts import ModelFile
from app.schema.errors import BadModelFile
from app.ui.parts.fill import find_checkpoint

State = Literal["here", "other file", "by name", "missing"]
_TAG = re.compile(r"<(lora|lyco|hypernet):([^:<>]+)(?::[^<>]*)?>")
_PAIR = re.compile(r"\s*([^:,]+):\s*([0-9a-fA-F]{8,64})\s*(?:,|$)")
_BUILT_IN = re.compile(r"latent.*|none|lanczos|nearest.*|bicubic.*|bilinear.*|area", re.IGNORECASE)
"""Upscalers that are arithmetic, not files."""
_NOTHING = "e3b0c44298fc"
"""How the sha256 of nothing begins: what broken programs write as the hash of files they could not read."""
_ENDING = re.compile(r"\.(safetensors|sft|ckpt|pt|pth|bin|gguf)$", re.IGNORECASE)
_OWN_VAE = ("", "None", "Automatic", "Default (model)")
_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One file that a picture names."""

    kind: str
    """As a person says it: Checkpoint, LoRA, Embedding ..."""
    name: str
    hash: str
    state: State
    found: str = ""
    """The file that will be used, if one will."""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """(label, address) of where a missing file may be found; opened by the person, never by us."""
        words = quote(self.hash or self.name, safe="")
        name = quote(_ENDING.sub("", self.name) or self.hash, safe="")
        return (
            ("Find it on Civitai", f"https://civitai.com/search/models?query={words}"),
            ("Find it on Hugging Face", f"https://huggingface.co/models?search={name}"),
        )


def resources_of(restored: Restored, catalog: Catalog) -> list[Resource]:
    """Every file that the settings name, in the order checkpoint, refiner, VAE, LoRAs, embeddings, upscaler."""
    hashes = _hashes(restored.extras)
    prompts = f"{restored.values.get('prompt', '')}\n{restored.values.get('negative_prompt', '')}"
    found = [*_checkpoint(restored, catalog), *_others(restored, catalog), *_vae(restored, catalog)]
    seen: set[tuple[str, str]] = set()
    for kind, name in _TAG.findall(prompts)[:_MAX]:
        if (kind, name) not in seen:
            seen.add((kind, name))
            found.append(_adapter(catalog, kind, name.strip(), hashes.get(f"lora:{name.strip()}", "")))
    for key, digest in list(hashes.items())[:_MAX]:
        if key.startswith("embed:"):
            found.append(_embedding(catalog, key.removeprefix("embed:"), digest))
    upscaler = str(restored.extras.get("Hires upscaler") or restored.values.get("hr_upscaler") or "")
    if upscaler and not _BUILT_IN.fullmatch(upscaler):
        found.append(_by_name("Upscaler", upscaler, "", catalog.of_kind("upscaler")))
    return found


def _hashes(extras: Mapping[str, str]) -> dict[str, str]:
    """`lora:NAME` and `embed:NAME` to hash, from A1111's lists and Civitai's object; an empty hash is none."""
    found: dict[str, str] = {}
    for label, kind in (("Lora hashes", "lora"), ("TI hashes", "embed"), ("TI", "embed")):
        for name, digest in _PAIR.findall(extras.get(label, "")[:100_000]):
            found[f"{kind}:{name.strip()}"] = digest.lower()
    for name, digest in re.findall(r'"((?:lora|embed):[^"]{1,200})": ?"([0-9a-fA-F]{8,64})"', extras.get("Hashes", "")[:100_000]):
        found.setdefault(name, digest.lower())
    return {name: "" if digest.startswith(_NOTHING[: len(digest)]) else digest for name, digest in found.items()}


def _checkpoint(restored: Restored, catalog: Catalog) -> Iterator[Resource]:
    if restored.model_name or restored.model_hash:
        yield _checkpoint_file("Checkpoint", restored, catalog)


def _others(restored: Restored, catalog: Catalog) -> Iterator[Resource]:
    """Refiner, hires checkpoint, the checkpoint whose text encoder reads: `name [hash]`."""
    for name, label in (("refiner_checkpoint", "Refiner"), ("hr_checkpoint", "Hires checkpoint"), ("text_encoder", "Text encoder")):
        named = str(restored.values.get(name) or restored.extras.get(label, ""))
        title = re.fullmatch(r"(.*?)\s*(?:\[([0-9a-fA-F]{8,64})\])?", named)
        if title and named and named != "Use same checkpoint":
            yield _checkpoint_file(label, Restored(values={}, model_name=title[1], model_hash=(title[2] or "").lower()), catalog)


def _checkpoint_file(kind: str, wanted: Restored, catalog: Catalog) -> Resource:
    file, warning = find_checkpoint(wanted, catalog)
    by_hash = catalog.by_hash(wanted.model_hash) if wanted.model_hash else None
    state: State = "missing" if file is None else "here" if by_hash else "other file" if warning else "by name"
    name = wanted.model_name or wanted.model_hash
    return Resource(kind=kind, name=name, hash=wanted.model_hash, state=state, found=file.filename if file else "")


def _vae(restored: Restored, catalog: Catalog) -> Iterator[Resource]:
    name = str(restored.extras.get("VAE") or restored.values.get("vae") or "")
    if name not in _OWN_VAE:
        yield _by_name("VAE", name, restored.extras.get("VAE hash", "").lower(), catalog.of_kind("vae"))


def _adapter(catalog: Catalog, tag: str, name: str, digest: str) -> Resource:
    """A LoRA or hypernetwork: its name decides what a prompt loads, so a hash is held against the file of that name."""
    kind = "Hypernetwork" if tag == "hypernet" else "LoRA"
    file = catalog.book.adapter("hypernetwork" if tag == "hypernet" else "lora", name)
    if file is None and tag != "hypernet" and digest:
        file = _said(catalog, digest)
        if file is not None:
            return Resource(kind=kind, name=name, hash=digest, state="other file", found=file.filename)
    if file is None:
        return Resource(kind=kind, name=name, hash=digest, state="missing")
    return Resource(kind=kind, name=name, hash=digest, state=_held(catalog, file, digest, kind), found=file.filename)


def _said(catalog: Catalog, digest: str) -> ModelFile | None:
    """The LoRA whose header states this hash: the file may have been renamed."""
    for file in catalog.of_kind("lora"):
        try:
            said = catalog.book.adapter_facts(file).said_hash
        except BadModelFile:
            continue
        if said is not None and said.startswith(digest[:12]):
            return file
    return None


def _held(catalog: Catalog, file: ModelFile, digest: str, kind: str) -> State:
    if not digest or kind == "Hypernetwork":
        return "by name"
    try:
        own = catalog.book.adapter_hash(file) if kind == "LoRA" else catalog.book.embedding_hash(file)
    except BadModelFile:
        return "other file"
    whole = file.sha256 or ""
    return "here" if own.startswith(digest[: len(own)]) or (whole and whole.startswith(digest)) else "other file"


def _embedding(catalog: Catalog, name: str, digest: str) -> Resource:
    file = next((file for file, _ in catalog.book.embeddings() if file.name.casefold() == name.casefold()), None)
    if file is None:
        return Resource(kind="Embedding", name=name, hash=digest, state="missing")
    return Resource(kind="Embedding", name=name, hash=digest, state=_held(catalog, file, digest, "Embedding"), found=file.filename)


def _by_name(kind: str, name: str, digest: str, files: list[ModelFile]) -> Resource:
    """A file found by a hash that is known already, else by its name with or without ending."""
    by_hash = next((file for file in files if digest and file.sha256 and file.sha256.startswith(digest)), None)
    plain = _ENDING.sub("", name).casefold()
    file = by_hash or next((file for file in files if plain in (file.name.casefold(), _ENDING.sub("", file.filename).casefold())), None)
    state: State = "missing" if file is None else "here" if by_hash else "by name"
    return Resource(kind=kind, name=name, hash=digest, state=state, found=file.filename if file else "")
