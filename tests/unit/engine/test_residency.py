"""Checkpoints in memory: a file that goes while it is loaded is told, and nobody waits for its hash for ever."""

import threading
from pathlib import Path

import pytest
import torch

from app.engine.residency import Residency
from app.models import Catalog
from app.schema.errors import BadModelFile
from app.schema.settings import ServerSettings
from tests.support.paths import ROOT

NAME = "tiny-a.safetensors"


def test_a_file_that_goes_while_it_is_loaded(tiny_data: Path) -> None:
    settings = ServerSettings(data_dir=tiny_data, embedded_dir=ROOT / "models" / "Stable-diffusion")
    catalog = Catalog(settings)
    residency = Residency(catalog, torch.device("cpu"), torch.float32, 2**30)
    with pytest.raises(BadModelFile):
        residency.get(NAME, (), lambda _: (settings.models / "Stable-diffusion" / NAME).unlink())
    told: list[str] = []

    def wait() -> None:
        try:
            residency.sha256(NAME)
        except BadModelFile as error:
            told.append(str(error))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(20)
    catalog.close()
    assert not thread.is_alive() and told == [f"{NAME} cannot be read: No such file or directory."]
