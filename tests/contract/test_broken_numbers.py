"""Checkpoints whose numbers make no picture: the job fails with a sentence, and no black picture is saved in its name."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.engine.client import Cancelled, Done, Failed
from app.engine.thread import ThreadEngine
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.settings import ServerSettings
from tests.contract.test_engine import Behind, Watcher, job


@pytest.fixture
def engine(tiny_models: Path, tmp_path: Path) -> Iterator[Behind]:
    """An engine with checkpoints of which one part has an element that is not a number."""
    source, folder = tiny_models / "models" / "Stable-diffusion", tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    broken = {"denoiser": "model.diffusion_model.out.2.bias", "vae": "first_stage_model.decoder.conv_out.bias", "good": ""}
    for name, spoilt in broken.items():
        tensors = load_file(source / "tiny-a.safetensors")
        if spoilt:
            tensors[spoilt][0] = torch.nan
        save_file(tensors, folder / f"{name}.safetensors")
        shutil.copy(source / "tiny-a.yaml", folder / f"{name}.yaml")
    catalog, watcher = Catalog(ServerSettings(data_dir=tmp_path, device="cpu")), Watcher()
    made = ThreadEngine(catalog.settings, catalog, Tokenizer())
    made.start(watcher)
    yield made, watcher
    made.close()
    catalog.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("denoiser", "denoiser.safetensors gives no picture: its denoiser's numbers are not finite."),
        ("vae", "The autoencoder (VAE) of vae.safetensors gives no picture: its numbers are not finite, in float32 too."),
    ],
)
def test_numbers_that_are_not_finite_fail_the_job_and_name_the_checkpoint(engine: Behind, name: str, says: str) -> None:
    made, watcher = engine
    made.submit(job("bad", checkpoint=f"{name}.safetensors", steps=1))
    made.submit(job("next", checkpoint="good.safetensors", steps=1))
    end = watcher.wait((Done, Failed, Cancelled), "bad")
    assert isinstance(end, Failed) and (end.code, end.status) == ("no_picture", 422) and end.message.startswith(says)
    assert len(watcher.pictures("next")) == 1
