"""The same checkpoint in other forms of file: diffusers' names, averaged weights alone, eight bits, without its VAE."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.models.facts import CheckpointFacts
from app.models.forms import stored_names
from app.models.keys import autoencoder_keys, denoiser_keys, text_keys
from app.networks import Checkpoint, load_checkpoint
from app.networks.build import TEXT_PARTS, build_networks
from app.schema.errors import BadModelFile

from .conftest import model_file

TINY_HEADS = {
    "darkroom.num_head_channels": "16", "darkroom.text_heads": "4", "darkroom.text_heads_2": "6", "darkroom.native_size": "64",
}  # fmt: skip
SD1_HEADS = {"darkroom.text_heads": "4"}


def load(path: Path) -> Checkpoint:
    return load_checkpoint(model_file(path), "cpu", torch.float32)


def answers(checkpoint: Checkpoint) -> list[Tensor]:
    random = torch.Generator().manual_seed(9)
    facts = checkpoint.facts
    x = torch.randn(1, 4, 8, 8, generator=random)
    context = torch.randn(1, 77, facts.denoiser.context_width, generator=random)
    vector = torch.randn(1, facts.vector_width, generator=random) if facts.vector_width else None
    encoded = checkpoint.encode_text(torch.tensor([[49406, 320, *[49407] * 75]]))
    made = [checkpoint.denoise(x, torch.tensor([2.0]), context, vector=vector), checkpoint.decode(x), encoded.tokens]
    return made if encoded.pooled is None else [*made, encoded.pooled]


def as_diffusers(tensors: Mapping[str, Tensor], facts: CheckpointFacts) -> dict[str, Tensor]:
    """Every parameter under the name that diffusers' and transformers' modules have for it."""
    networks = build_networks(facts)
    made = {}
    for name, theirs in denoiser_keys(networks.denoiser.state_dict(), facts.denoiser).items():
        made["unet." + name.replace("class_embedding", "add_embedding")] = tensors[theirs]
    for name, theirs in autoencoder_keys(networks.autoencoder.state_dict(), facts.autoencoder).items():
        made[f"vae.{name}"] = tensors[theirs]
    for part, text, sizes in zip(TEXT_PARTS, networks.texts, facts.texts, strict=False):
        prefix = {"text": "text_encoder.", "text_2": "text_encoder_2."}[part]
        for name, stored in text_keys(text.state_dict(), sizes).items():
            tensor = tensors[stored.name]
            tensor = tensor.chunk(3)[stored.third] if stored.third is not None else tensor.T if stored.transposed else tensor
            wrapped = name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"
            made[prefix + wrapped] = tensor
    return {name: tensor.clone().contiguous() for name, tensor in made.items()}


@pytest.mark.parametrize(("name", "heads"), [("tiny-a", SD1_HEADS), ("sd2-a", TINY_HEADS), ("sdxl-a", TINY_HEADS)])
def test_diffusers_names_in_one_file(checkpoints: Path, tmp_path: Path, name: str, heads: dict[str, str]) -> None:
    original = load(checkpoints / f"{name}.safetensors")
    renamed = tmp_path / "renamed.safetensors"
    tensors = as_diffusers(load_file(checkpoints / f"{name}.safetensors"), original.facts)
    assert not any(name.startswith("model.") for name in tensors)
    hints = {**heads, "darkroom.scale_factor": str(original.facts.autoencoder.scale_factor), "modelspec.prediction_type": "epsilon"}
    save_file(tensors, renamed, hints)
    made = load(renamed)
    assert made.facts.family == original.facts.family and made.facts.denoiser == original.facts.denoiser
    for ours, theirs in zip(answers(made), answers(original), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "heads"), [("tiny-a", SD1_HEADS), ("sdxl-a", TINY_HEADS)])
def test_averaged_weights_alone(checkpoints: Path, tmp_path: Path, name: str, heads: dict[str, str]) -> None:
    tensors = load_file(checkpoints / f"{name}.safetensors")
    averaged = {
        f"model_ema.{key.removeprefix('model.').replace('.', '')}" if key.startswith("model.diffusion_model.") else key: tensor
        for key, tensor in tensors.items()
    }
    path = tmp_path / "averaged.safetensors"
    save_file({**averaged, "model_ema.decay": torch.ones(1)}, path, heads)
    original = load(checkpoints / f"{name}.safetensors")
    for ours, theirs in zip(answers(load(path)), answers(original), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_names_without_dots_are_read_back(checkpoints: Path) -> None:
    """Every name of SDXL's and SD1's denoisers, block numbers of two digits among them."""
    for name in ("tiny-a", "sdxl-a", "sdxl-refiner"):
        keys = [key for key in load_file(checkpoints / f"{name}.safetensors") if key.startswith("model.diffusion_model.")]
        bare = {f"model_ema.{key.removeprefix('model.').replace('.', '')}": key for key in keys}
        assert stored_names(bare.keys()) == {key: name for name, key in bare.items()}


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_in_the_file(checkpoints: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        key: tensor.to(dtype) if key.startswith("model.diffusion_model.") and tensor.dim() > 1 else tensor
        for key, tensor in load_file(checkpoints / "tiny-a.safetensors").items()
    }
    path, widened = tmp_path / "eight.safetensors", tmp_path / "widened.safetensors"
    save_file(tensors, path, SD1_HEADS)
    save_file({key: tensor.half() for key, tensor in tensors.items()}, widened, SD1_HEADS)
    assert model_file(path).facts is not None and load(path).facts.storage == "fp8"
    for ours, theirs in zip(answers(load(path)), answers(load(widened)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_checkpoint_without_vae_draws_with_another_and_says_so_without(checkpoints: Path, tmp_path: Path) -> None:
    tensors = load_file(checkpoints / "tiny-a.safetensors")
    path = tmp_path / "bare.safetensors"
    save_file({key: tensor for key, tensor in tensors.items() if not key.startswith("first_stage_model.")}, path, SD1_HEADS)
    bare = load(path)
    assert bare.facts.vae_to_get is not None and "autoencoder" not in bare.part_bytes
    with pytest.raises(BadModelFile, match=r"has no VAE\. Put vae-ft-mse"):
        bare.use_autoencoder(None)
    whole = load(checkpoints / "tiny-a.safetensors")
    bare.use_autoencoder(whole._networks.autoencoder)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(bare.decode(x), whole.decode(x))
