"""What all tests share: no network, one thread a process, and the tiny models, written once and kept in pytest's cache."""

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The tests' servers and the tests themselves share few cores; threads of several processes that wait for each other spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tools.make_tiny_models import make_models

TINY = ("sd1", "sd2", "sdxl")


@pytest.fixture(scope="session")
def tiny_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny models are kept from one run to the next; their sha256 are checked in each."""
    cache = getattr(request.config, "cache", None)
    store = Path(cache.mkdir("tiny-models")) if cache is not None else tmp_path_factory.mktemp("tiny-store")
    wrong = [made.path.name for made in make_models(store, TINY) if made.sha256 != made.expected]
    assert not wrong, f"not as their manifests say: {wrong}"
    return store


@pytest.fixture(scope="session")
def tiny_models(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tiny models of `tests/data/manifests`, shared by all tests: add nothing to its model folders."""
    return link_tree(tiny_store, tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny_data(tiny_store: Path, tmp_path: Path) -> Path:
    """A data folder with the tiny models for one test, which may add and remove files (but not write into those that are there)."""
    return link_tree(tiny_store, tmp_path / "data")


def link_tree(source: Path, target: Path) -> Path:
    """The same folders with the same files (hard links where they can be made); returns the target."""
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_file() and not path.name.endswith(".part"):
            there.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, there)
            except OSError:  # another file system
                shutil.copy2(path, there)
    return target
