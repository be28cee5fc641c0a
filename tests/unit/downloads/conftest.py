"""The local server as fixtures, and what may be asked of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.downloads import Limits, Sites
from app.downloads.ask import Way
from tests.support.download_site import Site, limits_for, running_site
from tests.support.model_files import write_shapes


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


@pytest.fixture
def limits(site: Site) -> Limits:
    return limits_for(site.port)


@pytest.fixture
def way(limits: Limits) -> Way:
    return limits.way


@pytest.fixture
def sites(site: Site) -> Sites:
    return Sites(civitai=site.url, hugging_face="http://127.0.0.1:1", civitai_token=None)


@pytest.fixture
def lora(tmp_path: Path) -> bytes:
    """A small file that is a LoRA by its tensors, of several parts."""
    shapes = {"lora_unet_x.lora_up.weight": (400, 400), "lora_unet_x.lora_down.weight": (8, 400)}
    return write_shapes(tmp_path / "made" / "lora.safetensors", shapes).read_bytes()
