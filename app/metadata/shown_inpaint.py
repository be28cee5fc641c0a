"""Which settings of a mask an infotext names, in A1111's words."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from app.schema.params import GenerationParams

SOFT = (
    "soft_inpainting",
    "soft_inpainting_bias",
    "soft_inpainting_preservation",
    "soft_inpainting_contrast",
    "soft_inpainting_mask_influence",
    "soft_inpainting_threshold",
    "soft_inpainting_difference_contrast",
)
INPAINT = frozenset({"mask_blur_x", "mask_blur_y", "inpainting_mask_invert", "inpainting_fill", *SOFT})
"""Fields of GenerationParams that `shown_inpaint` decides about."""

FILLS = ("fill", "original", "latent noise", "latent nothing")
"""What `inpainting_fill` is called, by its number."""
ORIGINAL = FILLS.index("original")
WORDS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "inpainting_fill": MappingProxyType({name: number for number, name in enumerate(FILLS)}),
        "inpainting_mask_invert": MappingProxyType({"Inpaint masked": False, "Inpaint not masked": True}),
        "inpaint_full_res": MappingProxyType({"Whole picture": False, "Only masked": True}),
    }
)
"""Settings that an infotext tells in words, with what each word means."""


def said(name: str, value: object) -> str:
    """The word for a value of one of the settings in `WORDS`."""
    return next(word for word, meaning in WORDS[name].items() if meaning == value)


def shown_inpaint(params: GenerationParams) -> Iterator[tuple[str, object]]:
    """(field, value) of those of `INPAINT` that belong into the infotext; nothing without a mask. Blurs that differ have no word."""
    if not params.mask:
        return
    if params.inpainting_mask_invert:
        yield "inpainting_mask_invert", said("inpainting_mask_invert", True)
    if params.soft_inpainting:
        yield from ((name, getattr(params, name)) for name in SOFT)
    if params.mask_blur_x == params.mask_blur_y > 0:
        yield "mask_blur_x", params.mask_blur_x
    if params.inpainting_fill != ORIGINAL:
        yield "inpainting_fill", said("inpainting_fill", params.inpainting_fill)
