"""Stable Diffusion 1 in CompVis' single-file layout: the original sizes, smaller ones, inpainting and InstructPix2Pix variants."""

from collections.abc import Mapping

from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.models.families.autoencoder import autoencoder_sizes
from app.models.families.clip_text import text_sizes
from app.models.families.denoiser import denoiser_sizes
from app.models.families.part import Part
from app.models.header import Header, TensorInfo
from app.models.hints import Hints
from app.schema.errors import BadModelFile

_DENOISER = "model.diffusion_model."
_AUTOENCODER = "first_stage_model."
_TEXT = "cond_stage_model.transformer."
_TITLES: Mapping[int, str] = {
    0: "Stable Diffusion 1",
    4: "Stable Diffusion 1 (InstructPix2Pix)",
    5: "Stable Diffusion 1 (inpainting)",
}
"""By the denoiser's input channels beyond the latent's: a second latent; a latent and a mask."""
_STORAGE: Mapping[str, str] = {"F16": "fp16", "F32": "fp32", "BF16": "bf16"}


def recognises(tensors: Mapping[str, TensorInfo]) -> bool:
    """Whether the file has a UNet with text attention as SD1 has it: projections are convolutions, no label beside the time."""
    if f"{_DENOISER}input_blocks.0.0.weight" not in tensors or f"{_DENOISER}label_emb.0.0.weight" in tensors:
        return False
    projection = tensors.get(f"{_DENOISER}middle_block.1.proj_in.weight")
    return projection is not None and len(projection.shape) == 4 and "cond_stage_model.model.ln_final.weight" not in tensors


def facts(header: Header, hints: Hints) -> CheckpointFacts:
    """All that loading needs; BadModelFile with one sentence if parts are missing, incomplete or of a layout that is not known."""
    denoiser, autoencoder, text = _parts(header.tensors)
    if hints.head_width is not None:
        raise BadModelFile("Its metadata or yaml asks for attention heads of a fixed width, which Stable Diffusion 1 does not have.")
    denoiser_facts = denoiser_sizes(denoiser, hints.heads or 8)
    autoencoder_facts = autoencoder_sizes(autoencoder, hints.scale_factor or 0.18215)
    width = text.shape("embeddings.token_embedding.weight", 2)[1]
    text_facts = text_sizes(text, hints.text_heads or max(1, width // 64), hints.text_activation or "quick_gelu")
    norm_groups = hints.norm_groups or 32
    _check(denoiser_facts, autoencoder_facts, text_facts, norm_groups)
    return CheckpointFacts(
        family="sd1",
        family_title=_title(denoiser_facts, autoencoder_facts),
        prediction=hints.prediction or "epsilon",
        native_size_px=hints.native_size_px or 512,
        linear_start=hints.linear_start or 0.00085,
        linear_end=hints.linear_end or 0.012,
        denoiser=denoiser_facts,
        autoencoder=autoencoder_facts,
        text=text_facts,
        norm_groups=norm_groups,
        storage=_storage(denoiser),
        concat_channels=denoiser_facts.in_channels - autoencoder_facts.latent_channels,
        title=hints.title,
        description=hints.description,
        usage_hint=hints.usage_hint,
        license=hints.license,
    )


def _parts(tensors: Mapping[str, TensorInfo]) -> tuple[Part, Part, Part]:
    denoiser = Part("denoiser", tensors, _DENOISER)
    autoencoder = Part("autoencoder", tensors, _AUTOENCODER)
    text = Part("text encoder", tensors, f"{_TEXT}text_model.")
    if not text.tensors:
        text = Part("text encoder", tensors, _TEXT)  # as transformers named them before the model had a wrapper
    missing = [name for name, part in (("autoencoder (VAE)", autoencoder), ("text encoder", text)) if not part.tensors]
    if missing:
        raise BadModelFile(
            f"This Stable Diffusion 1 checkpoint has no {' and no '.join(missing)}; Darkroom needs all parts of it in one file."
        )
    return denoiser, autoencoder, text


def _check(denoiser: DenoiserSizes, autoencoder: AutoencoderSizes, text: TextSizes, norm_groups: int) -> None:
    """The networks fit each other, and the numbers that shapes do not tell fit the shapes."""
    if denoiser.out_channels != autoencoder.latent_channels:
        raise BadModelFile(
            f"The denoiser gives {denoiser.out_channels} channels, the autoencoder takes {autoencoder.latent_channels}: they do not fit."
        )
    if denoiser.context_width != text.width:
        raise BadModelFile(
            f"The denoiser takes texts of width {denoiser.context_width}, the text encoder gives {text.width}: they do not fit."
        )
    widths = [denoiser.model_channels * multiple for multiple in denoiser.channel_mult]
    _check_divides("attention heads", denoiser.heads, widths, "darkroom.num_heads")
    _check_divides("text attention heads", text.heads, [text.width], "darkroom.text_heads")
    widths += [autoencoder.channels * multiple for multiple in autoencoder.channel_mult]
    _check_divides("norm groups", norm_groups, widths, "darkroom.norm_groups")


def _check_divides(what: str, number: int, widths: list[int], key: str) -> None:
    for width in widths:
        if width % number:
            raise BadModelFile(
                f"{number} {what} do not divide the width {width}; the file's metadata has to say {key}, or a yaml beside it."
            )


def _title(denoiser: DenoiserSizes, autoencoder: AutoencoderSizes) -> str:
    extra = denoiser.in_channels - autoencoder.latent_channels
    if extra not in _TITLES:
        raise BadModelFile(f"The denoiser takes {denoiser.in_channels} channels; Darkroom knows Stable Diffusion 1 with 4, 8 and 9.")
    return _TITLES[extra]


def _storage(denoiser: Part) -> str:
    dtype = denoiser.tensors["input_blocks.0.0.weight"].dtype
    if dtype not in _STORAGE:
        raise BadModelFile(f"The denoiser is stored as {dtype}; Darkroom loads F16, BF16 and F32.")
    return _STORAGE[dtype]
