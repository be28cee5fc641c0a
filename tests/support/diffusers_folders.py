"""Checkpoints' folders as diffusers and transformers themselves save them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from app.models.facts import CheckpointFacts, ModelFile
from app.networks import load_checkpoint

MANY = "10GB"


def save_folder(file: ModelFile, folder: Path, *, scheduler: Mapping[str, Any] | None = None, shard: str = MANY, **how: Any) -> Path:
    """The checkpoint's weights (fp16) and sizes by diffusers' own `save_pretrained`, `how` being its arguments (`variant`, say)."""
    assert file.facts is not None
    networks = load_checkpoint(file, "cpu", torch.float16)._networks
    _unet(networks.denoiser, file.facts).save_pretrained(folder / "unet", max_shard_size=shard, **how)
    _vae(networks.autoencoder, file.facts).save_pretrained(folder / "vae", **how)
    names = ("text_encoder_2",) if file.facts.family == "sdxl-refiner" else ("text_encoder", "text_encoder_2")
    safe = {} if how.get("safe_serialization", True) else {"safe_serialization": False}
    for name, text in zip(names, networks.texts, strict=False):
        text.save_pretrained(folder / name, **({"variant": how["variant"]} if "variant" in how else {}), **safe)
    default = {"_class_name": "PNDMScheduler", "prediction_type": file.facts.prediction, "num_train_timesteps": 1000}
    write_json(folder / "scheduler" / "scheduler_config.json", {**default, **(scheduler or {})})
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [None, None]}
    write_json(folder / "model_index.json", index)
    return folder


def write_json(path: Path, table: Mapping[str, Any]) -> None:
    """A JSON file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table), encoding="utf-8")


def _unet(ours: Any, facts: CheckpointFacts) -> UNet2DConditionModel:
    """With the names and the configuration that published folders have: ours has the label of SDXL by another name."""
    config = {**ours.config, "sample_size": facts.native_size_px // 8, "norm_num_groups": facts.norm_groups}
    config = {name: value for name, value in config.items() if not name.startswith("_")}
    if facts.denoiser.vector_width:
        config |= {"class_embed_type": None, "addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    made = UNet2DConditionModel(**config).half()
    made.load_state_dict({name.replace("class_embedding", "add_embedding"): weight for name, weight in ours.state_dict().items()})
    return made


def _vae(ours: Any, facts: CheckpointFacts) -> AutoencoderKL:
    made = AutoencoderKL(**{name: value for name, value in ours.config.items() if not name.startswith("_")}).half()
    made.load_state_dict(ours.state_dict())
    made.register_to_config(scaling_factor=facts.autoencoder.scale_factor)
    return made
