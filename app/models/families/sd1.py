"""Stable Diffusion 1: the original sizes, smaller ones, inpainting and InstructPix2Pix variants."""

from app.models.facts import CheckpointFacts
from app.models.families.latent_diffusion import DENOISER, Plan, Tensors, facts_of, has_unet, projection
from app.models.families.text_encoder import TextPlan
from app.models.header import Header
from app.models.hints import Hints

PLAN = Plan(
    name="sd1",
    title="Stable Diffusion 1",
    native_size_px=512,
    scale_factor=0.18215,
    vae="vae-ft-mse-840000-ema-pruned.safetensors (stabilityai/sd-vae-ft-mse-original)",
    heads=8,
    texts=(TextPlan(title="text encoder", place="cond_stage_model.", activation="quick_gelu"),),
    variants={4: "InstructPix2Pix", 5: "inpainting"},
)


def recognises(tensors: Tensors) -> bool:
    """Whether it has a UNet whose projections are convolutions, with no label beside the time and no text encoder of OpenCLIP's."""
    if not has_unet(tensors) or f"{DENOISER}label_emb.0.0.weight" in tensors or "cond_stage_model.model.ln_final.weight" in tensors:
        return False
    first = projection(tensors)
    return first is not None and len(first.shape) == 4


def facts(header: Header, hints: Hints) -> CheckpointFacts:
    """Its facts; BadModelFile with one sentence where it cannot be loaded."""
    return facts_of(PLAN, header, hints)
