"""LoRAs worked into checkpoints, against torch and against drawing with them; what does not fit; a work that is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.conversion import AddedLora, Merge, merge
from app.conversion.writer import CHUNK_NUMBERS
from app.models import ModelFile, read_facts
from app.networks import Checkpoint, load_checkpoint
from app.networks.adapters import Strength, read_lora
from app.schema.errors import BadModelFile
from tests.support.paths import ROOT

KINDS = [
    "lin", "unet-only", "te-only", "locon", "locon-mid", "lin-pickle", "no-alpha", "loha", "loha-tucker", "lokr-full", "lokr-lowrank",
    "lokr-tucker", "dora", "ia3", "full-diff", "glora", "oft", "bf16",
]  # fmt: skip
DENOISER = "model.diffusion_model."


@pytest.fixture(scope="module")
def models(tiny_models: Path) -> Path:
    return tiny_models / "models"


def checkpoint(path: Path) -> Checkpoint:
    state = path.stat()
    file = ModelFile(
        kind="checkpoint", path=path, name=path.stem, filename=path.name, size_bytes=state.st_size, mtime_ns=state.st_mtime_ns,
        sha256=None, facts=read_facts(path), problem=None,
    )  # fmt: skip
    return load_checkpoint(file, "cpu", torch.float32)


def parameters(loaded: Checkpoint) -> dict[str, torch.Tensor]:
    parts = loaded._networks.parts.items()
    return {f"{part}.{name}": tensor for part, module in parts for name, tensor in module.named_parameters()}


def file_of(models: Path, name: str) -> Path:
    return next((models / "Lora").glob(f"{name}.*"))


def into(models: Path, base: str, target: Path, *loras: tuple[str, float]) -> Path:
    added = tuple(AddedLora(file_of(models, name), strength) for name, strength in loras)
    primary = models / "Stable-diffusion" / base
    merge(Merge(primary=primary, target=target, method="No interpolation", numbers="fp32", loras=added, replace=True))
    return target


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_what_drawing_with_it_has(models: Path, tmp_path: Path, name: str) -> None:
    """Bit by bit: the same numbers stand in the file as in the network with the LoRA at work."""
    made = parameters(checkpoint(into(models, "tiny-a.safetensors", tmp_path / "new.safetensors", (name, 0.7), ("lin", -0.3))))
    loaded = checkpoint(models / "Stable-diffusion" / "tiny-a.safetensors")
    plain = {key: tensor.clone() for key, tensor in parameters(loaded).items()}
    strengths = [Strength(read_lora(file_of(models, each)), (each,), weight) for each, weight in ((name, 0.7), ("lin", -0.3))]
    loaded.adapt_text(strengths)
    loaded.adapt_denoiser(strengths, [])
    wanted = parameters(loaded)
    assert made.keys() == wanted.keys()
    assert any(not torch.equal(wanted[key], plain[key]) for key in plain)
    for key, tensor in wanted.items():
        assert torch.equal(made[key], tensor), key


@pytest.mark.parametrize(("base", "name"), [("sd2-a", "sd2-lin"), ("sdxl-a", "xl-lin"), ("sdxl-a", "xl-te"), ("sdxl-a", "xl-conv")])
def test_openclip_matrices_of_three_layers_and_sdxl(models: Path, tmp_path: Path, base: str, name: str) -> None:
    made = parameters(checkpoint(into(models, f"{base}.safetensors", tmp_path / "new.safetensors", (name, 0.8))))
    loaded = checkpoint(models / "Stable-diffusion" / f"{base}.safetensors")
    one = [Strength(read_lora(file_of(models, name)), (name,), 0.8)]
    loaded.adapt_text(one)
    loaded.adapt_denoiser(one, [])
    assert all(torch.equal(made[key], tensor) for key, tensor in parameters(loaded).items())


def test_it_is_up_times_down_in_torch(models: Path, tmp_path: Path) -> None:
    """kohya's names of a denoiser's layer, computed by hand; what no LoRA names is as it was, and the recipe tells."""
    old, lora = load_file(models / "Stable-diffusion" / "tiny-a.safetensors"), load_file(models / "Lora" / "lin.safetensors")
    new = load_file(into(models, "tiny-a.safetensors", tmp_path / "new.safetensors", ("lin", 0.5)))
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    theirs = f"{DENOISER}input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    up, down, alpha = (lora[f"{layer}.{part}"].float() for part in ("lora_up.weight", "lora_down.weight", "alpha"))
    wanted = old[theirs].float() + 0.5 * (up @ down) * (float(alpha) / down.shape[0])
    torch.testing.assert_close(new[theirs], wanted, rtol=0, atol=1e-6)  # a scale before or after the product
    assert torch.equal(new[f"{DENOISER}out.2.weight"], old[f"{DENOISER}out.2.weight"].float())
    with safe_open(tmp_path / "new.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["sd_merge_recipe"])
    assert recipe["loras"] == [{"name": "lin", "weight": 0.5, "hash": None}] and recipe["models"] == ["tiny-a"]


def test_a_mixture_gets_the_lora_afterwards(models: Path, tmp_path: Path) -> None:
    folder = models / "Stable-diffusion"
    files = {"primary": folder / "tiny-a.safetensors", "secondary": folder / "tiny-b.safetensors", "numbers": "fp32"}
    merge(Merge(**files, target=tmp_path / "mixed.safetensors"))
    merge(Merge(primary=tmp_path / "mixed.safetensors", method="No interpolation", target=tmp_path / "two.safetensors",
                loras=(AddedLora(file_of(models, "lin"), 1.0),)))  # fmt: skip
    merge(Merge(**files, target=tmp_path / "one.safetensors", loras=(AddedLora(file_of(models, "lin"), 1.0),)))
    one, two = load_file(tmp_path / "one.safetensors"), load_file(tmp_path / "two.safetensors")
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_large_layer_goes_by_rows(models: Path, tmp_path: Path) -> None:
    """A layer of several portions: numbers as torch has them for the whole layer at once, but for the order of a product's sums."""
    base = load_file(models / "Stable-diffusion" / "tiny-a.safetensors")
    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    width = base[name].shape[1]
    base[name] = torch.randn(2 * CHUNK_NUMBERS // width + 5, width)
    rows, layer = base[name].shape[0], "lora_te_text_model_embeddings_token_embedding"
    up, down = torch.randn(rows, 3), torch.randn(3, width)
    save_file(base, tmp_path / "base.safetensors")
    parts = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(3.0)}
    save_file({f"{layer}.{part}": tensor for part, tensor in parts.items()}, tmp_path / "l.safetensors")
    loras = (AddedLora(tmp_path / "l.safetensors", 0.25),)
    merge(Merge(primary=tmp_path / "base.safetensors", method="No interpolation", target=tmp_path / "new.safetensors", loras=loras))
    new = load_file(tmp_path / "new.safetensors")
    torch.testing.assert_close(new[name], base[name] + 0.25 * up @ down, rtol=0, atol=1e-5)
    assert not torch.equal(new[name], base[name])


def test_what_does_not_fit_gets_a_sentence_and_leaves_nothing(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "new.safetensors"
    nowhere = {f"lora_unet_nowhere.lora_{part}.weight": torch.zeros(2, 2) for part in ("up", "down")}
    save_file(nowhere, tmp_path / "nowhere.safetensors")
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    wrong = {f"{layer}.lora_up.weight": torch.zeros(7, 2), f"{layer}.lora_down.weight": torch.zeros(2, 5)}
    save_file(wrong, tmp_path / "wrong.safetensors")
    cases = {
        "none of its layers is in tiny-a": tmp_path / "nowhere.safetensors",
        "wrong.safetensors does not fit the checkpoint": tmp_path / "wrong.safetensors",
        "whose texts are": file_of(models, "xl-lin"),
        "tiny-other.safetensors: The file holds no LoRA": models / "VAE" / "tiny-other.safetensors",
        "no longer there|cannot be read": tmp_path / "none.safetensors",
    }
    primary = models / "Stable-diffusion" / "tiny-a.safetensors"
    for said, path in cases.items():
        with pytest.raises(BadModelFile, match=said):
            merge(Merge(primary=primary, method="No interpolation", target=target, loras=(AddedLora(path, 1.0),)))
        assert not target.parent.exists() or not list(target.parent.iterdir())


def test_a_killed_one_leaves_the_old_file(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.safetensors"
    target.write_text("the old one")
    slow = (
        "import sys, time\nfrom pathlib import Path\nfrom app.conversion import AddedLora, Merge, merge\n"
        "def wait(done, total):\n    print(done, flush=True)\n    time.sleep(0.05)\n"
        "a, l, t = map(Path, sys.argv[1:])\n"
        "merge(Merge(primary=a, target=t, method='No interpolation', loras=(AddedLora(l, 1.0),), replace=True), wait)\n"
    )
    base = models / "Stable-diffusion" / "tiny-a.safetensors"
    process = subprocess.Popen([sys.executable, "-c", slow, base, file_of(models, "lin"), target], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert target.read_text() == "the old one"
    into(models, "tiny-a.safetensors", target, ("lin", 1.0))
    assert load_file(target) and [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
