"""SDXL (Podell et al. 2023): base, inpainting, v-prediction, and its pruned relatives SSD-1B and Segmind Vega."""

from collections.abc import Mapping
from dataclasses import replace

from app.models.facts import CheckpointFacts, DenoiserSizes
from app.models.families.latent_diffusion import DENOISER, Plan, Tensors, facts_of, has_unet
from app.models.families.text_encoder import TextPlan
from app.models.header import Header
from app.models.hints import Hints
from app.schema.errors import BadModelFile
from app.schema.family import FamilyRules

PLAN = Plan(
    name="sdxl",
    title="SDXL",
    native_size_px=1024,
    scale_factor=0.13025,
    vae="sdxl_vae.safetensors (stabilityai/sdxl-vae; for half precision madebyollin/sdxl-vae-fp16-fix)",
    texts=(
        TextPlan(
            title="first text encoder", place="conditioner.embedders.0.", activation="quick_gelu",
            layers_left_out=1, final_norm=False, clip_skip="on request",
        ),
        TextPlan(
            title="second text encoder", place="conditioner.embedders.1.", activation="gelu", pooled=True,
            layers_left_out=1, final_norm=False, clip_skip="never", zero_padded=True,
        ),
    ),
    rules=FamilyRules(
        told=("original height", "original width", "crop top", "crop left", "target height", "target width"),
        zeroes_blank_negatives=True,
        aligns_as_sdxl=True,
        tells_blank_mask=False,
    ),
)  # fmt: skip
_PRUNED: Mapping[tuple[tuple[int, ...], ...], str] = {
    ((0, 0, 0), (2, 1, 1), (4, 4, 10)): "SSD-1B",
    ((0, 0, 0), (1, 1, 1), (2, 2, 2)): "Segmind Vega",
}
"""By the depths of the transformers on the way up, from the finest level."""
_FOURTH_LEVEL = f"{DENOISER}input_blocks.9.0.op.weight"
_OTHER_NOISE = {"edm_mean": "Playground 2.5", "edm_vpred.sigma_max": "CosXL"}


def recognises(tensors: Tensors) -> bool:
    """Whether it has a UNet of three levels with a label beside the time."""
    return has_unet(tensors) and f"{DENOISER}label_emb.0.0.weight" in tensors and _FOURTH_LEVEL not in tensors


def facts(header: Header, hints: Hints) -> CheckpointFacts:
    """Its facts; BadModelFile with one sentence where it cannot be loaded."""
    for name, model in _OTHER_NOISE.items():
        if name in header.tensors:
            raise BadModelFile(f"This is {model}, an SDXL checkpoint with a noise schedule (EDM) that Darkroom does not know yet.")
    found = facts_of(PLAN, header, hints)
    pruned = _pruned(found.denoiser)
    return found if pruned is None else replace(found, family_title=found.family_title.replace(PLAN.title, pruned, 1))


def _pruned(denoiser: DenoiserSizes) -> str | None:
    return _PRUNED.get(denoiser.up_depths) if denoiser.middle_depth is None else None
