"""What is known of a checkpoint from its header alone: enough to build its networks, and to say what it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Prediction = Literal["epsilon", "v"]
Layout = Literal["safetensors", "pickle", "png"]


@dataclass(frozen=True, kw_only=True)
class DenoiserSizes:
    """Sizes of an openaimodel UNet in CompVis' layout (Rombach et al. 2022)."""

    in_channels: int
    out_channels: int
    model_channels: int
    channel_mult: tuple[int, ...]
    res_blocks: int
    attention_levels: tuple[bool, ...]
    """Which levels have transformer blocks, from the finest."""
    transformer_depth: int
    heads: int
    """Attention heads of every transformer block (SD1: a number, whatever the width)."""
    context_width: int
    linear_projection: bool = False
    """proj_in and proj_out are linear layers instead of 1x1 convolutions (SD2, SDXL)."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderSizes:
    """Sizes of an AutoencoderKL in CompVis' layout."""

    channels: int
    channel_mult: tuple[int, ...]
    res_blocks: int
    latent_channels: int
    scale_factor: float


@dataclass(frozen=True, kw_only=True)
class TextSizes:
    """Sizes of a CLIP text encoder (transformers' CLIPTextModel layout)."""

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    activation: str = "quick_gelu"


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """All that loading needs beside the tensors themselves."""

    family: str
    """Internal name of the family file that recognised it, e.g. `sd1`."""
    family_title: str
    """What a person reads, e.g. `Stable Diffusion 1 (inpainting)`."""
    prediction: Prediction
    native_size_px: int
    linear_start: float
    linear_end: float
    denoiser: DenoiserSizes
    autoencoder: AutoencoderSizes
    text: TextSizes
    norm_groups: int
    storage: str
    """dtype of the denoiser's weights: `fp16`, `fp32`, `bf16`."""
    concat_channels: int
    """Denoiser input channels beyond the latent's."""
    title: str | None = None
    description: str | None = None
    usage_hint: str | None = None
    license: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One model file of the catalogue. Identity is path, size and mtime; facts and hashes are cached by these."""

    kind: Literal["checkpoint", "lora", "embedding", "vae", "hypernetwork", "upscaler"]
    path: Path
    name: str
    """File name without its ending: A1111's `model_name`."""
    filename: str
    """Path relative to its folder, with `/`: what a title begins with."""
    size_bytes: int
    mtime_ns: int
    sha256: str | None
    """None until the file has been hashed once."""
    facts: CheckpointFacts | None
    """None for other kinds and for files that are no usable checkpoint."""
    problem: str | None
    """One sentence: why it cannot be loaded."""

    @property
    def short_hash(self) -> str | None:
        """First ten characters of the sha256 (A1111's `hash`, Civitai's AutoV2)."""
        return self.sha256[:10] if self.sha256 else None

    @property
    def title(self) -> str:
        """A1111's title: `name.safetensors [hash]`, without brackets while the hash is not known."""
        return f"{self.filename} [{self.short_hash}]" if self.sha256 else self.filename

    def is_current(self) -> bool:
        """Whether the file on disk is still the one that was looked at."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size_bytes, self.mtime_ns)
