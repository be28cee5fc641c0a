"""The tiny checkpoints, loaded once, and their files' raw tensors."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.models import ModelFile, read_facts
from app.networks import Checkpoint, load_checkpoint


def model_file(path: Path) -> ModelFile:
    """What the catalogue says of a checkpoint that lies at `path`."""
    state = path.stat()
    return ModelFile(
        kind="checkpoint", path=path, name=path.stem, filename=path.name, size_bytes=state.st_size, mtime_ns=state.st_mtime_ns,
        sha256=None, facts=read_facts(path), problem=None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def checkpoints(tiny_models: Path) -> Path:
    return tiny_models / "models" / "Stable-diffusion"


@pytest.fixture(scope="session")
def tiny_a(checkpoints: Path) -> Checkpoint:
    return load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float32)


@pytest.fixture(scope="session")
def tiny_v(checkpoints: Path) -> Checkpoint:
    return load_checkpoint(model_file(checkpoints / "tiny-v.safetensors"), "cpu", torch.float32)


@pytest.fixture(scope="session")
def tensors_a(checkpoints: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints / "tiny-a.safetensors")


@pytest.fixture(scope="session")
def context() -> torch.Tensor:
    return torch.randn(2, 77, 64, generator=torch.Generator().manual_seed(5))
