"""SDXL's refiner (Podell et al. 2023): four levels, OpenCLIP's text encoder alone, an aesthetic score beside the sizes."""

from app.models.facts import CheckpointFacts
from app.models.families import sdxl
from app.models.families.latent_diffusion import DENOISER, Plan, Tensors, facts_of, has_unet
from app.models.families.text_encoder import TextPlan
from app.models.header import Header
from app.models.hints import Hints
from app.schema.family import FamilyRules

PLAN = Plan(
    name="sdxl-refiner",
    title="SDXL refiner",
    native_size_px=1024,
    scale_factor=0.13025,
    vae=sdxl.PLAN.vae,
    texts=(
        TextPlan(
            title="text encoder", place="conditioner.embedders.0.", activation="gelu", pooled=True,
            layers_left_out=1, final_norm=False, clip_skip="never", zero_padded=True,
        ),
    ),
    variants={},
    rules=FamilyRules(
        told=("original height", "original width", "crop top", "crop left", "aesthetic score"),
        zeroes_blank_negatives=True,
        aligns_as_sdxl=True,
        tells_blank_mask=False,
    ),
)  # fmt: skip


def recognises(tensors: Tensors) -> bool:
    """Whether it has a UNet of four levels with a label beside the time."""
    return has_unet(tensors) and f"{DENOISER}label_emb.0.0.weight" in tensors and not sdxl.recognises(tensors)


def facts(header: Header, hints: Hints) -> CheckpointFacts:
    """Its facts; BadModelFile with one sentence where it cannot be loaded."""
    return facts_of(PLAN, header, hints)
