"""What the headers of LoRA and embedding files tell: other names, hashes, sizes, whom they fit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from app.models.header import Header
from app.models.reading import read_header
from app.schema.errors import BadModelFile

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        r"\.dora_scale$": "DoRA", r"\.hada_w1_a$": "LoHa", r"\.lokr_w[12]": "LoKr", r"\.oft_blocks$|\.oft_diag$": "OFT",
        r"\.a1\.weight$": "GLoRA", r"\.on_input$": "IA3", r"\.diff(?:_b)?$": "full", r"\.w_norm$": "norm", r"\.lora_mid\.weight$": "LoCon",
        r"lora[_.](?:down|A)\b": "LoRA",
    }
)  # fmt: skip
"""Kinds of LyCORIS by the names of their tensors."""
_OF_TEXTS = re.compile(r"attn2[._]to_[kv][._].*(?:lora[_.](?:down|A)\.weight|hada_w1_b|diff)$")
"""Tensors whose second side is the width of the texts that a denoiser takes."""

_BUNDLED = re.compile(r"bundle_emb\.([^.]+)\.(?:emb_params|string_to_param\.[^.]*)")


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """A LoRA file, as its header tells."""

    kinds: tuple[str, ...]
    """LoRA, LoHa, LoKr ...; several in a mixed file."""
    alias: str | None
    """What kohya's trainer called it (`ss_output_name`): a second name in prompts."""
    said_hash: str | None
    """The hash that the file states of itself (`sshs_model_hash`)."""
    context_width: int | None
    """Width of the texts that its denoiser layers take, where a shape tells: 768 for SD1, 1024 for SD2, 2048 for SDXL."""
    bundled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Embeddings that lie in the file, by name, with the shape of their vectors."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EmbeddingFacts:
    """A textual inversion file, as its header tells."""

    vectors: int
    width: int
    """Of the text encoders that it fits, side by side."""
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None


def adapter_facts(path: Path) -> AdapterFacts:
    """Facts of a LoRA file; BadModelFile, with a sentence that does not repeat the file's name, if it cannot be read or is none."""
    header = read_header(path)
    kinds = tuple(kind for pattern, kind in _KINDS.items() if any(re.search(pattern, name) for name in header.tensors))
    if not kinds:
        raise BadModelFile("The file holds no LoRA that Darkroom knows.")
    said = header.metadata.get("sshs_model_hash", "")
    return AdapterFacts(
        kinds=kinds,
        alias=header.metadata.get("ss_output_name") or None,
        said_hash=said.lower() if re.fullmatch(r"[0-9a-fA-F]{12,64}", said) else None,
        context_width=_context_width(header),
        bundled={name: info.shape for key, info in header.tensors.items() if (name := bundled_name(key)) and len(info.shape) == 2},
        metadata=dict(header.metadata) if header.layout == "safetensors" else {},
    )


def bundled_name(tensor: str) -> str | None:
    """The name of the embedding that a LoRA's tensor is (`bundle_emb.NAME.KEY`); None for other tensors.

    An embedding of several text encoders (SDXL) is not known here yet.
    """
    match = _BUNDLED.fullmatch(tensor)
    return match[1] if match else None


def _context_width(header: Header) -> int | None:
    shapes = (info.shape for name, info in header.tensors.items() if _OF_TEXTS.search(name))
    return next((shape[1] for shape in shapes if len(shape) >= 2), None)


def embedding_facts(path: Path) -> EmbeddingFacts:
    """Facts of an embedding file; BadModelFile, with a sentence that does not repeat the file's name, if it cannot be read or is none."""
    header = read_header(path)
    shape = _vectors_shape(header)
    step = header.metadata.get("step", "")
    return EmbeddingFacts(
        vectors=shape[0],
        width=shape[1],
        step=int(step) if step.isdecimal() else None,
        sd_checkpoint=header.metadata.get("sd_checkpoint"),
        sd_checkpoint_name=header.metadata.get("sd_checkpoint_name"),
    )


def _vectors_shape(header: Header) -> tuple[int, int]:
    if {"clip_l", "clip_g"} <= header.tensors.keys():
        info, other = header.tensors["clip_l"], header.tensors["clip_g"]
        if len(info.shape) == len(other.shape) == 2 and info.shape[0] == other.shape[0]:
            return info.shape[0], info.shape[1] + other.shape[1]
    if len(header.tensors) == 1:
        (info,) = header.tensors.values()
        if len(info.shape) in (1, 2) and 0 not in info.shape:
            return (1, info.shape[0]) if len(info.shape) == 1 else (info.shape[0], info.shape[1])
    raise BadModelFile("The file holds no embedding (textual inversion) that Darkroom knows.")
