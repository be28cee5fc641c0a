"""The checkpoint as one file in SD 1.x's layout: written from the networks' weights, and taken apart again to train on."""

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tools.pocket.sizes import SIZES, Sizes, State
from tools.pocket.training import alphas_cumprod

PREFIXES = {"autoencoder": "first_stage_model.", "denoiser": "model.diffusion_model.", "text_encoder": "cond_stage_model.transformer."}
POSITION_IDS = "text_model.embeddings.position_ids"
TOKEN_TABLE = "text_model.embeddings.token_embedding.weight"


class Parts(NamedTuple):
    """The three networks' weights (float32) and their sizes."""

    autoencoder: State
    denoiser: State
    text_encoder: State
    sizes: Sizes


def read_parts(path: Path) -> Parts:
    """Takes a checkpoint apart, whether half or full precision."""
    with safe_open(path, "pt") as file:
        told = file.metadata() or {}
        sizes = Sizes.from_json(told["darkroom.config"]) if "darkroom.config" in told else SIZES["small"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    states = [
        {
            name.removeprefix(prefix): tensor.float()
            for name, tensor in tensors.items()
            if name.startswith(prefix) and not name.endswith("position_ids")
        }
        for prefix in PREFIXES.values()
    ]
    return Parts(*states, sizes)


def write_parts(path: Path, parts: Parts, *, dtype: torch.dtype, known: Iterable[str] = ()) -> None:
    """Writes the checkpoint under its name at once when it is whole. ValueError if a weight is not finite in `dtype`.

    `known` are labels of concepts it was trained on: the page says so of a model.
    """
    tensors = {
        prefix + name: tensor.detach().to("cpu", dtype).contiguous()
        for prefix, state in zip(PREFIXES.values(), parts[:3], strict=True)
        for name, tensor in state.items()
    }
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite in {dtype}")
    # A buffer of CLIP's files that some loaders look for, and the schedule, whose numbers are SD 1.x's own.
    tensors[PREFIXES["text_encoder"] + POSITION_IDS] = torch.arange(parts.sizes.positions)[None]
    alphas, betas = alphas_cumprod()
    tensors["alphas_cumprod"], tensors["betas"] = alphas.float(), betas.float()
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata=metadata(path.stem, parts.sizes, list(known)))
    temporary.replace(path)


def metadata(title: str, sizes: Sizes, known: list[str]) -> dict[str, str]:
    """ModelSpec's keys, and what shapes cannot tell."""
    told = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/CompVis/stable-diffusion",
        "modelspec.title": title,
        "modelspec.description": "A tiny text-to-image model of emoji in the layout of Stable Diffusion 1.x, trained from nothing.",
        "modelspec.author": "the Darkroom contributors",
        "modelspec.date": datetime.date.today().isoformat(),
        "modelspec.license": "CC-BY-4.0 (trained on Noto Emoji, Apache-2.0, and Twemoji graphics, CC-BY-4.0)",
        "modelspec.usage_hint": "128x128, 20 steps, CFG 5, short prompts such as: a red apple on a white background",
        "modelspec.resolution": f"{sizes.native_size}x{sizes.native_size}",
        "modelspec.prediction_type": "epsilon",
        "modelspec.encoder_layer": "1",
        "modelspec.tags": "emoji, tiny, stable-diffusion-v1",
        "darkroom.num_heads": str(sizes.num_heads),
        "darkroom.text_heads": str(sizes.text_heads),
        "darkroom.native_size": str(sizes.native_size),
        "darkroom.norm_groups": "32",
        "darkroom.scale_factor": str(sizes.scale_factor),
        "darkroom.config": sizes.as_json(),
    }
    return told | ({"darkroom.concepts": "\n".join(known)} if known else {})
