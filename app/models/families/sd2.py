"""Stable Diffusion 2.0 and 2.1: 512 pixels (epsilon), 768 pixels (v-prediction), inpainting."""

from dataclasses import replace

from app.models.facts import CheckpointFacts
from app.models.families.latent_diffusion import DENOISER, Plan, Tensors, facts_of, has_unet, projection
from app.models.families.text_encoder import TextPlan
from app.models.header import Header
from app.models.hints import Hints

PLAN = Plan(
    name="sd2",
    title="Stable Diffusion 2",
    native_size_px=768,
    scale_factor=0.18215,
    vae="vae-ft-mse-840000-ema-pruned.safetensors (stabilityai/sd-vae-ft-mse-original)",
    prediction="v",
    texts=(
        TextPlan(
            title="text encoder", place="cond_stage_model.", activation="gelu", layers_left_out=1, clip_skip="never", zero_padded=True
        ),
    ),
)
_LAYERS_IN_DIFFUSERS = 23
"""Of the text encoder's 24 diffusers leaves out the last one, which is never looked at."""
_FIRST_LAYER = f"{DENOISER}input_blocks.0.0.weight"


def recognises(tensors: Tensors) -> bool:
    """Whether it has a UNet whose projections are linear layers, with no label beside the time."""
    first = projection(tensors)
    return has_unet(tensors) and f"{DENOISER}label_emb.0.0.weight" not in tensors and first is not None and len(first.shape) == 2


def facts(header: Header, hints: Hints) -> CheckpointFacts:
    """Its facts; BadModelFile with one sentence where it cannot be loaded.

    No shape tells 2.x at 512 pixels (epsilon) from 2.x at 768 (v). Where metadata and yaml are silent too, the plain checkpoint counts
    as 768 and v, as diffusers' converter takes it; inpainting was only ever published at 512 with epsilon.
    """
    inpaints = header.tensors[_FIRST_LAYER].shape[1:2] == (9,)
    prediction = hints.prediction or ("epsilon" if inpaints else PLAN.prediction)
    plan = replace(PLAN, prediction=prediction, native_size_px=768 if prediction == "v" else 512)
    found = facts_of(plan, header, hints)
    text = found.texts[0]
    if text.layout == "transformers" and text.layers == _LAYERS_IN_DIFFUSERS:
        return replace(found, texts=(replace(text, layers_left_out=0),))
    return found
