"""What is known of a checkpoint from its header alone: enough to build its networks, and to say what it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.models.diffusers_folder import state_of
from app.schema.family import PLAIN_RULES, FamilyRules

Prediction = Literal["epsilon", "v"]
Layout = Literal["safetensors", "pickle", "png", "folder"]
TextLayout = Literal["transformers", "openclip"]
"""How a text encoder's tensors are called, and whether queries, keys and values stand in one matrix (OpenCLIP)."""
ClipSkip = Literal["always", "on request", "never"]
"""Whether a job's clip skip acts on a text encoder; on request: where the option `sdxl_clip_l_skip` says so."""


NUMBER_WIDTH = 256
"""Sines and cosines that each number of `FamilyRules.told` becomes (Podell et al. 2023)."""


@dataclass(frozen=True, kw_only=True)
class DenoiserSizes:
    """Sizes of an openaimodel UNet in CompVis' layout (Rombach et al. 2022). What is one a level begins with the finest."""

    in_channels: int
    out_channels: int
    model_channels: int
    channel_mult: tuple[int, ...]
    res_blocks: int
    depths: tuple[tuple[int, ...], ...]
    """Transformer blocks behind each residual block of the way down, by level; 0 where there is no attention."""
    up_depths: tuple[tuple[int, ...], ...]
    """The same on the way up, which has one residual block a level more."""
    middle_depth: int | None
    """Of the middle; None: no attention there, and one residual block in the place of two (SSD-1B, Segmind Vega)."""
    heads: tuple[int, ...]
    """Attention heads, one number a level; the middle has those of the coarsest."""
    context_width: int
    linear_projection: bool = False
    """proj_in and proj_out are linear layers instead of 1x1 convolutions (SD2, SDXL)."""
    vector_width: int = 0
    """Of the vector that is told beside the time (CompVis' `adm_in_channels`: SDXL's pooled text, sizes and scores); 0: none is."""

    @property
    def attention_levels(self) -> tuple[bool, ...]:
        """Which levels have transformer blocks."""
        return tuple(any(depths) for depths in self.depths)


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
    """A CLIP text encoder: its sizes, where it stands in the file, and what is taken from it."""

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    activation: str = "quick_gelu"
    prefix: str = "cond_stage_model.transformer.text_model."
    """What its tensors' names begin with."""
    layout: TextLayout = "transformers"
    projected_width: int | None = None
    """Of the pooled vector; None where only the tokens' vectors are taken."""
    layers_left_out: int = 0
    """How many of the last layers the tokens' vectors do without."""
    final_norm: bool = True
    """Whether the final norm is applied to them."""
    clip_skip: ClipSkip = "always"
    zero_padded: bool = False
    """Behind the end of a text stand zeros in the place of further end tokens."""

    @property
    def of_openclip(self) -> bool:
        """Whether OpenCLIP made it, so that single files keep it in that layout: those are the ones whose texts it pads with zeros."""
        return self.zero_padded


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
    texts: tuple[TextSizes, ...]
    """The text encoders, in the order in which their vectors stand side by side."""
    norm_groups: int
    storage: str
    """dtype of the denoiser's weights: `fp16`, `fp32`, `bf16`, `fp8`."""
    concat_channels: int
    """Denoiser input channels beyond the latent's."""
    rules: FamilyRules = PLAIN_RULES
    vae_to_get: str | None = None
    """Where the file has no autoencoder: which one suits it."""
    zero_terminal_snr: bool = False
    """Whether it was trained with a noise schedule that ends in pure noise (Lin et al. 2023)."""
    title: str | None = None
    description: str | None = None
    usage_hint: str | None = None
    license: str | None = None

    @property
    def text_width(self) -> int:
        """Of what all text encoders give for a token, side by side."""
        return sum(text.width for text in self.texts)

    @property
    def vector_width(self) -> int:
        """Of what the denoiser is told beside the time, before its numbers become waves; 0 where it is told nothing more."""
        return sum(text.projected_width or 0 for text in self.texts) + len(self.rules.told)


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One model file of the catalogue, or a diffusers folder, which counts as one.

    Identity is path, size and mtime; facts and hashes are cached by these.
    """

    kind: Literal["checkpoint", "lora", "embedding", "vae", "hypernetwork", "upscaler"]
    path: Path
    name: str
    """File name without its ending, or a diffusers folder's name: A1111's `model_name`."""
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
    comes_along: bool = False
    """Whether it is one of Darkroom's own."""

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
            return state_of(self.path) == (self.size_bytes, self.mtime_ns)
        except OSError:
            return False
