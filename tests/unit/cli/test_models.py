"""`webui.py models convert|merge`: names and paths, what is written where, and a sentence for what cannot be."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.cli import main
from app.models import Catalog
from app.schema.settings import ServerSettings
from tests.support.diffusers_folders import save_folder


@pytest.fixture
def folder(tiny_data: Path) -> Path:
    return tiny_data / "models" / "Stable-diffusion"


def run(tiny_data: Path, *arguments: str) -> int:
    return main(["models", *arguments, "--data-dir", str(tiny_data)])


def test_names_are_looked_up_and_results_lie_beside_them(tiny_data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny_data, "convert", "tiny-a", "half", "--numbers", "fp16") == 0
    assert "half.safetensors" in capsys.readouterr().out
    assert {tensor.dtype for tensor in load_file(folder / "half.safetensors").values()} <= {torch.float16, torch.int64}
    assert run(tiny_data, "merge", "tiny-a", str(folder / "tiny-b.safetensors"), "mixed", "--multiplier", "1") == 0
    mixed, other = load_file(folder / "mixed.safetensors"), load_file(folder / "tiny-b.safetensors")
    assert all(torch.equal(mixed[name].float(), other[name].float()) for name in mixed)


def test_a_lora_goes_into_a_checkpoint(tiny_data: Path, folder: Path) -> None:
    loras = ("--lora", "lin:0.5", "--lora", str(folder.parent / "Lora" / "unet-only.safetensors"))
    assert run(tiny_data, "merge", "tiny-a", "new", "--method", "No interpolation", *loras) == 0
    old, new = load_file(folder / "tiny-a.safetensors"), load_file(folder / "new.safetensors")
    assert old.keys() == new.keys() and any(not torch.equal(old[name], new[name]) for name in old)


def test_a_diffusers_folder_becomes_one_file(tiny_data: Path, folder: Path, tmp_path: Path) -> None:
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    save_folder(catalog.find("tiny-b"), folder / "by name")
    save_folder(catalog.find("tiny-b"), tmp_path / "by path")
    catalog.close()
    assert run(tiny_data, "convert", "by name", "first") == run(tiny_data, "convert", str(tmp_path / "by path"), "second") == 0
    original = load_file(folder / "tiny-b.safetensors")
    for name in ("first", "second"):
        made = load_file(folder / f"{name}.safetensors")
        assert made.keys() == original.keys() and all(torch.equal(made[key], tensor) for key, tensor in original.items())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("convert", "nothing", "new"), "There is no checkpoint 'nothing'"),
        (("convert", "tiny-a", "tiny-b"), "already"),
        (("convert", "tiny-a", "new", "--vae", "none"), "There is no VAE 'none'"),
        (("merge", "tiny-a", "new"), "needs a second checkpoint"),
        (("merge", "tiny-a", "tiny-b", "new", "--method", "Add difference"), "needs a third checkpoint"),
        (("merge", "tiny-a", "tiny-b", "new", "--blocks", "1,2"), "weights of blocks"),
        (("merge", "new"), "two or three"),
        (("merge", "tiny-a", "new", "--method", "No interpolation", "--lora", "nothing:1"), "There is no LoRA 'nothing'"),
        (("merge", "tiny-a", "new", "--method", "No interpolation", "--lora", "lin:strong"), "is no weight for the LoRA lin"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    tiny_data: Path, folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert run(tiny_data, *arguments) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_file_is_verified_and_thrown_away(tiny_data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny_data, "verify", "tiny-b") == 0
    assert "sha256 is" in capsys.readouterr().out
    assert run(tiny_data, "trash", "lin.safetensors", "--kind", "lora") == 0
    assert not (folder.parent / "Lora" / "lin.safetensors").exists() and list((folder.parent / "Lora" / ".trash").rglob("lin.safetensors"))
    assert run(tiny_data, "verify", "lin.safetensors", "--kind", "lora") == 1
    assert "There is no LoRA 'lin.safetensors'" in capsys.readouterr().err
