"""Names for model files that no family here loads: other families' checkpoints, and files that are no checkpoints at all."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from app.models.header import TensorInfo

Tensors = Mapping[str, TensorInfo]


class _Sign(NamedTuple):
    """A kind of file and the tensors' names (a regular expression, searched in each) by which it is known."""

    sentence: str
    pattern: re.Pattern[str]


def _elsewhere(what: str, folder: str) -> str:
    return f"This is {what} and no checkpoint. Move it to {folder}."


def _helper(what: str) -> str:
    return f"This is {what} and no checkpoint; Darkroom does not load those yet."


def _family(what: str) -> str:
    return f"This is {what} checkpoint; Darkroom does not load that family yet."


def _part(what: str) -> str:
    return f"This is {what} and no whole checkpoint; Darkroom needs denoiser, autoencoder and text encoder in one file."


_FLOW = r"^(?:model\.diffusion_model\.)?"
_SIGNS: tuple[_Sign, ...] = tuple(
    _Sign(sentence, re.compile(pattern))
    for sentence, pattern in (
        (_elsewhere("a LoRA", "models/Lora"), r"\.lora_(?:up|down|A|B)\b|\.hada_w1_a$|\.lokr_w[12]|\.oft_blocks$|^lora_(?:unet|te)"),
        (_helper("a ControlNet"), r"^control_model\.|^controlnet_|controlnet_cond_embedding"),
        (_helper("an IP-Adapter"), r"^image_proj\.|^ip_adapter\."),
        (_helper("an AnimateDiff motion module"), r"\bmotion_modules\."),
        (_family("a Stable Diffusion 3"), _FLOW + r"joint_blocks\.0\."),
        (_family("a Chroma"), _FLOW + r"distilled_guidance_layer\."),
        (_family("a FLUX.2"), _FLOW + r"double_stream_modulation_img\."),
        (_family("a Hunyuan video"), _FLOW + r"txt_in\.individual_token_refiner\."),
        (_family("a FLUX"), _FLOW + r"double_blocks\.0\.img_attn\."),
        (_family("an AuraFlow"), _FLOW + r"double_layers\.0\.attn\.w1q\."),
        (_family("a Lumina 2 or Z-Image"), _FLOW + r"cap_embedder\.1\.weight$"),
        (_family("a Qwen-Image"), _FLOW + r"transformer_blocks\.0\.img_mod\."),
        (_family("a Wan video"), _FLOW + r"head\.modulation$"),
        (_family("a PixArt"), _FLOW + r"t_block\.1\.weight$"),
        (_family("a HunyuanDiT"), _FLOW + r"mlp_t5\.0\.weight$"),
        (_family("a Stable Cascade"), _FLOW + r"clf\.1\.weight$"),
        ("This is a diffusion model of a family that Darkroom does not know.", r"^model\.diffusion_model\."),
        (_part("a denoiser in diffusers' layout"), r"^(?:unet\.)?(?:down_blocks|up_blocks)\.\d+\.(?:resnets|attentions)\."),
        (_elsewhere("a VAE", "models/VAE"), r"^(?:first_stage_model\.|vae\.)?decoder\.(?:conv_in|mid_block|mid)\b"),
        (_elsewhere("an upscaler", "models/ESRGAN"), r"^(?:model\.1\.sub\.0\.|body\.0\.rdb1\.|RRDB_trunk\.|conv_first\.weight$)"),
        (_elsewhere("an embedding (textual inversion)", "the embeddings folder"), r"^(?:emb_params|clip_l|clip_g)$"),
        (_elsewhere("a hypernetwork", "models/hypernetworks"), r"^\d+\.[01]\.linear"),
        (_part("a text encoder"), r"^(?:cond_stage_model|conditioner|text_encoders?)\.|\btext_model\.encoder\.layers\."),
        (_part("a text encoder"), r"^encoder\.block\.0\.layer\."),
        (_part("a set of averaged (EMA) weights"), r"^model_ema\."),
    )
)  # fmt: skip


def what_it_is(tensors: Tensors) -> str:
    """One sentence on what a file is that no family recognises, told from the names and shapes of its tensors."""
    if not tensors:
        return "This file holds no tensors: it is no checkpoint."
    for sign in _SIGNS:
        if any(sign.pattern.search(name) for name in tensors):
            return sign.sentence
    return "This is no checkpoint of a family that Darkroom knows."
