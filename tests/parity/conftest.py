"""A real server in this process, on the tiny models that the references were made with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.schema.settings import ServerSettings
from app.server import Front
from tests.conftest import link_tree
from tests.support.paths import DATA, ROOT


@pytest.fixture(scope="package")
def client(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API of a server whose options may be changed: its data folder shares the tiny model files."""
    folder = link_tree(tiny_store, tmp_path_factory.mktemp("parity"))
    shutil.copy(DATA / "styles.csv", folder / "styles.csv")
    settings = ServerSettings(data_dir=folder, embedded_dir=ROOT / "models" / "Stable-diffusion", device="cpu", dtype="fp32", nowebui=True)
    with TestClient(Front(settings), base_url="http://127.0.0.1") as made:
        yield made
