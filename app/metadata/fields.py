"""The settings line of a picture: which fields it has, in A1111's order."""

from collections.abc import Iterable, Mapping

from app import __version__
from app.metadata.infotext import quote, split_infotext
from app.metadata.names import hires_sampler, known_sampler, schedule_label
from app.metadata.shown import RULED, shown_settings
from app.metadata.shown_hires import HIRES, shown_hires
from app.metadata.shown_inpaint import INPAINT, shown_inpaint
from app.schema.params import GenerationParams, view_of

Field = tuple[str, object]

MODEL_HASH = "Model hash"
VERSION = "Version"
VERSION_TEXT = f"darkroom-{__version__}"
"""Says who really made the picture. A1111 and its relatives use this field only to switch old behaviour on for old
versions of A1111; a version that they cannot read (any that does not begin with v and three numbers) switches nothing on."""

ORDER: tuple[str, ...] = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Size", MODEL_HASH, "Model", "VAE hash", "VAE",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength",
    "Final denoising strength", "Denoising curve", "SD upscale overlap", "SD upscale upscaler",
    "Decode prompt", "Decode negative prompt", "Decode CFG scale", "Decode steps", "Randomness", "Sigma Adjustment",
    "Conditional mask weight", "Clip skip", "ENSD", "Token merging ratio", "Token merging ratio hr", "RNG", "Emphasis", "Tiling",
    "Hires resize", "Hires checkpoint", "Hires sampler", "Hires CFG Scale", "Hires prompt", "Hires negative prompt", "Hires schedule type",
    "Hires upscale", "Hires steps", "Hires upscaler", "Noise multiplier", "Extra noise",
    "Mask mode", "Soft inpainting enabled", "Soft inpainting schedule bias", "Soft inpainting preservation strength",
    "Soft inpainting transition contrast boost", "Soft inpainting mask influence", "Soft inpainting difference threshold",
    "Soft inpainting difference contrast", "Mask blur", "Inpaint area", "Masked area padding", "Masked content",
    "Lora hashes", "TI hashes", "Sigma churn", "Sigma tmin", "Sigma tmax", "Sigma noise",
    "Schedule min sigma", "Schedule max sigma", "Schedule rho", "Beta schedule alpha", "Beta schedule beta",
    "Eta", "Eta DDIM", "SGM noise multiplier", "Discard penultimate sigma",
    "Script", "X Type", "X Values", "Fixed X Values", "Y Type", "Y Values", "Fixed Y Values", "Z Type", "Z Values", "Fixed Z Values",
    "Hires refiner", "Refiner switch by sampling steps", "Refiner", "Refiner switch at",
    "Skip Early CFG", "NGMS", "NGMS all steps", "Pad conds", "Pad conds v0", "Noise Schedule", "Downcast alphas_cumprod", VERSION,
)  # fmt: skip
"""Every label that A1111 1.10.1 wrote into some 1300 reference pictures (and `Fixed Y Values`, and the CFG scale of the hires pass, which
it lacks), in an order that fits all of them.

It never writes two labels in both orders; where no picture has both, the neighbours here are those that belong together.
"""

OWN_LABELS = frozenset(
    {"Steps", "Sampler", "CFG scale", "Image CFG scale", "Seed", "Size", MODEL_HASH, "Model", "VAE hash", "VAE", "Variation seed"}
    | {"Variation seed strength", "Seed resize from", "Conditional mask weight", "Clip skip", "ENSD", "Token merging ratio", "RNG"}
    | {"Tiling", VERSION}
)
"""Infotext labels that A1111 does not repeat in `extra_generation_params`."""

_ALWAYS = frozenset(("steps", "sampler", "scheduler", "cfg_scale", "seed", "width", "height", "checkpoint"))
_LINES = frozenset(("prompt", "negative_prompt"))
"""Fields of GenerationParams that are lines of their own, not settings."""


def label_of(name: str) -> str | None:
    """The settings line's label for a field of GenerationParams; None for a field that is no part of the line."""
    return None if name in _LINES else view_of(name).label


def setting(name: str) -> str:
    """As `label_of`, for a field that is known to have a label."""
    label = label_of(name)
    assert label is not None, f"GenerationParams.{name} has lost its infotext label"
    return label


def infotext_fields(
    params: GenerationParams,
    *,
    seed: int,
    model_name: str,
    model_hash: str,
    index: int = 0,
    extras: Mapping[str, object] | None = None,
) -> list[Field]:
    """(label, value) of everything that made one picture, in A1111's order.

    `seed` is that picture's own and `index` its number in the job, `model_hash` the first 10 hex digits of the checkpoint's sha256
    (empty: not known), `extras` what only the engine knows (VAE, LoRA hashes, settings that are told `where_it_acts` ...).
    ValueError if an extra has the label of a setting.
    """
    own = dict(_own(params, seed, index, model_name, model_hash))
    extras = extras or {}
    if twice := own.keys() & extras.keys():
        raise ValueError(f"infotext extras repeat settings: {', '.join(sorted(twice))}")
    return in_order([*own.items(), *extras.items()])


def in_order(fields: Iterable[Field]) -> list[Field]:
    """The fields sorted as A1111 has them; labels it does not have keep their order and stand before `Version`."""
    place = {label: index for index, label in enumerate(ORDER)}
    return sorted(fields, key=lambda field: place.get(field[0], place[VERSION] - 0.5))


def with_fields(text: str, added: Mapping[str, object]) -> str:
    """An infotext with further fields in its settings line, or with other values there; the prompts stay as they are."""
    head, line, _ = text.rpartition("\n")
    fields = in_order((dict(split_infotext(text)[2]) | dict(added)).items())
    return head + line + ", ".join(f"{label}: {quote(value)}" for label, value in fields)


def _own(params: GenerationParams, seed: int, index: int, model_name: str, model_hash: str) -> Iterable[Field]:
    """The fields that GenerationParams knows; a new field of it with a label appears where it differs from its default."""
    sampler = known_sampler(params.sampler)[0]
    said: dict[str, object] = {
        "sampler": params.sampler if sampler is None else sampler.name,
        "scheduler": schedule_label(params.sampler, params.scheduler),
        "seed": seed,
        "width": f"{params.width}x{params.height}",
        "height": f"{params.width}x{params.height}",
        "checkpoint": model_name or None,
        "denoising_strength": params.strength if params.mode == "img2img" or params.has_hires else None,
        "eta": None,
        **dict.fromkeys((*RULED, *HIRES, *INPAINT)),
        **dict(shown_settings(params, sampler, index)),
        **dict(shown_hires(params)),
        **dict(shown_inpaint(params)),
    }
    for one in (sampler, hires_sampler(params)):
        if one is not None and one.default_eta not in (None, params.eta_of(one)):
            yield one.eta_label, params.eta_of(one)
    for name, info in GenerationParams.model_fields.items():
        label = label_of(name)
        value = getattr(params, name)
        if label is None or view_of(name).where_it_acts:
            continue
        if name in said:
            if said[name] is not None:
                yield label, said[name]
        elif name in _ALWAYS or value != info.default:
            yield label, value
    if model_hash:
        yield MODEL_HASH, model_hash
    yield VERSION, VERSION_TEXT
