"""What the families of latent diffusion (Rombach et al. 2022) have in common: a UNet, an autoencoder, CLIP text encoders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.models.facts import NUMBER_WIDTH, AutoencoderSizes, CheckpointFacts, DenoiserSizes, Prediction, TextSizes
from app.models.families.autoencoder import autoencoder_sizes
from app.models.families.denoiser import denoiser_sizes
from app.models.families.part import Part
from app.models.families.speed import speed_hint
from app.models.families.text_encoder import TextPlan, text_sizes
from app.models.header import Header, TensorInfo
from app.models.hints import Hints
from app.schema.errors import BadModelFile
from app.schema.family import PLAIN_RULES, FamilyRules

DENOISER = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
_STORAGE: Mapping[str, str] = {"F16": "fp16", "F32": "fp32", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8"}
Tensors = Mapping[str, TensorInfo]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What distinguishes a family, as far as the file does not say it itself."""

    name: str
    title: str
    native_size_px: int
    scale_factor: float
    vae: str
    """The VAE to get where the file has none."""
    texts: tuple[TextPlan, ...]
    prediction: Prediction = "epsilon"
    heads: int | None = None
    """Of every level; None: as many as have `head_width`."""
    head_width: int = 64
    variants: Mapping[int, str] = field(default_factory=lambda: {5: "inpainting"})
    """Known numbers of input channels beyond the latent's (a mask and a latent: 5), and what such a checkpoint is for."""
    rules: FamilyRules = PLAIN_RULES


def has_unet(tensors: Tensors) -> bool:
    """Whether there is a UNet that looks at texts."""
    return f"{DENOISER}input_blocks.0.0.weight" in tensors and projection(tensors) is not None


def projection(tensors: Tensors) -> TensorInfo | None:
    """The first layer of the first transformer on a UNet's way down; None where there is none."""
    names = (f"{DENOISER}input_blocks.{block}.1.proj_in.weight" for block in range(1, 12))
    return next((tensors[name] for name in names if name in tensors), None)


def facts_of(plan: Plan, header: Header, hints: Hints) -> CheckpointFacts:
    """All that loading needs; BadModelFile with one sentence if parts are missing, incomplete or of a layout that is not known."""
    tensors = header.tensors
    denoiser_part, autoencoder_part = Part("denoiser", tensors, DENOISER), Part("autoencoder", tensors, AUTOENCODER)
    head_counts = _Heads(plan, hints)
    denoiser = denoiser_sizes(denoiser_part, head_counts)
    heads = (hints.text_heads, hints.text_heads_2)
    found = [text_sizes(tensors, text, heads[i], hints.text_activation if i == 0 else None) for i, text in enumerate(plan.texts)]
    texts = tuple(text for text in found if text is not None)
    if missing := [text.title for text, sizes in zip(plan.texts, found, strict=True) if sizes is None]:
        raise BadModelFile(f"This {plan.title} checkpoint has no {' and no '.join(missing)}: it is a part of one, and not whole.")
    own = bool(autoencoder_part.tensors)
    scale = hints.scale_factor or plan.scale_factor
    autoencoder = autoencoder_sizes(autoencoder_part, scale) if own else _usual_autoencoder(denoiser, scale)
    norm_groups = hints.norm_groups or 32
    _check(plan, denoiser, autoencoder, texts, norm_groups)
    return CheckpointFacts(
        family=plan.name,
        family_title=_title(plan, denoiser, autoencoder),
        prediction=hints.prediction or plan.prediction,
        native_size_px=hints.native_size_px or plan.native_size_px,
        linear_start=hints.linear_start or 0.00085,
        linear_end=hints.linear_end or 0.012,
        denoiser=denoiser,
        autoencoder=autoencoder,
        texts=texts,
        norm_groups=norm_groups,
        storage=_storage(denoiser_part),
        concat_channels=denoiser.in_channels - autoencoder.latent_channels,
        rules=plan.rules,
        zero_terminal_snr=bool(hints.zero_terminal_snr),
        vae_to_get=None if own else plan.vae,
        title=hints.title,
        description=hints.description,
        usage_hint=hints.usage_hint or speed_hint(header.metadata),
        license=hints.license,
    )


class _Heads:
    """Attention heads of a level, by its width."""

    def __init__(self, plan: Plan, hints: Hints) -> None:
        self._number = hints.heads or (plan.heads if hints.head_width is None else None)
        self._width = hints.head_width or plan.head_width
        if plan.heads is not None and hints.head_width is not None:
            raise BadModelFile(f"Its metadata or yaml asks for attention heads of a fixed width, which {plan.title} does not have.")

    def __call__(self, width: int) -> int:
        return self._number or max(1, width // self._width)


def _usual_autoencoder(denoiser: DenoiserSizes, scale_factor: float) -> AutoencoderSizes:
    """The one that all of these families were published with."""
    return AutoencoderSizes(
        channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=denoiser.out_channels, scale_factor=scale_factor
    )


def _check(plan: Plan, denoiser: DenoiserSizes, autoencoder: AutoencoderSizes, texts: Sequence[TextSizes], norm_groups: int) -> None:
    """The networks fit each other, and the numbers that shapes do not tell fit the shapes."""
    if denoiser.out_channels != autoencoder.latent_channels:
        raise BadModelFile(
            f"The denoiser gives {denoiser.out_channels} channels, the autoencoder takes {autoencoder.latent_channels}: they do not fit."
        )
    width = sum(text.width for text in texts)
    if denoiser.context_width != width:
        raise BadModelFile(f"The denoiser takes texts of width {denoiser.context_width}, the text encoder gives {width}: they do not fit.")
    _check_vector(plan, denoiser, texts)
    widths = [denoiser.model_channels * multiple for multiple in denoiser.channel_mult]
    key = "darkroom.num_heads" if plan.heads else "darkroom.num_head_channels"
    for heads, level in zip(denoiser.heads, widths, strict=True):
        _check_divides("attention heads", heads, [level], key)
    for number, text in enumerate(texts, 1):
        _check_divides("text attention heads", text.heads, [text.width], "darkroom.text_heads" + ("" if number == 1 else f"_{number}"))
    widths += [autoencoder.channels * multiple for multiple in autoencoder.channel_mult]
    _check_divides("norm groups", norm_groups, widths, "darkroom.norm_groups")


def _check_vector(plan: Plan, denoiser: DenoiserSizes, texts: Sequence[TextSizes]) -> None:
    pooled = sum(text.projected_width or 0 for text in texts)
    vector = pooled + NUMBER_WIDTH * len(plan.rules.told)
    if denoiser.vector_width != vector:
        raise BadModelFile(
            f"The denoiser takes a vector of width {denoiser.vector_width} beside the time, "
            f"but pooled text and sizes of {plan.title} have {vector}: it is of a variant that Darkroom does not know."
        )


def _check_divides(what: str, number: int, widths: Sequence[int], key: str) -> None:
    for width in widths:
        if width % number:
            raise BadModelFile(
                f"{number} {what} do not divide the width {width}; the file's metadata has to say {key}, or a yaml beside it."
            )


def _title(plan: Plan, denoiser: DenoiserSizes, autoencoder: AutoencoderSizes) -> str:
    extra = denoiser.in_channels - autoencoder.latent_channels
    if extra == 0:
        return plan.title
    if extra not in plan.variants:
        known = [str(autoencoder.latent_channels + more) for more in sorted({0, *plan.variants})]
        raise BadModelFile(
            f"The denoiser takes {denoiser.in_channels} channels; Darkroom knows {plan.title} with "
            f"{', '.join(known[:-1])}{' and ' if len(known) > 1 else ''}{known[-1]}."
        )
    return f"{plan.title} ({plan.variants[extra]})"


def _storage(denoiser: Part) -> str:
    dtype = denoiser.tensors["input_blocks.0.0.weight"].dtype
    if dtype not in _STORAGE:
        raise BadModelFile(f"The denoiser is stored as {dtype}; Darkroom loads F16, BF16, F32 and F8.")
    if any(name.endswith(".scale_weight") or name == "scaled_fp8" for name in denoiser.tensors):
        raise BadModelFile("The denoiser is stored as scaled 8-bit numbers, which Darkroom does not load; get the fp16 version.")
    return _STORAGE[dtype]
