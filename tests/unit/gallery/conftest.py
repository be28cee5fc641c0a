"""A gallery over a small outputs folder of real files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.gallery import Gallery, Search
from app.metadata import encode_picture


def infotext(prompt: str, *, negative: str = "fog", model: str = "pocket", sampler: str = "Euler a", seed: int = 1) -> str:
    return f"{prompt}\nNegative prompt: {negative}\nSteps: 3, Sampler: {sampler}, CFG scale: 7.0, Seed: {seed}, Size: 8x8, Model: {model}"


Make = Callable[..., Path]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@pytest.fixture
def make(outputs: Path) -> Make:
    """Writes one picture: make("a/b.png", "a red house", seed=4); `color` makes its pixels."""

    def write(name: str, prompt: str = "", *, root: Path = outputs, color: int = 0, size: tuple[int, int] = (8, 8), **said) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((size[1], size[0], 3), color % 256, np.uint8)
        pixels[0, 0] = (color // 256 % 256, color // 65536, 7)
        path.write_bytes(encode_picture(pixels, infotext(prompt, **said) if prompt else "", path.suffix[1:]))
        return path

    return write


@pytest.fixture
def gallery(tmp_path: Path, outputs: Path) -> Iterator[Gallery]:
    opened = Gallery(tmp_path / "data", outputs)
    yield opened
    opened.close()


def names(gallery: Gallery, text: str = "", *facets, owner: str | None = None, **more) -> list[str]:
    """File names of what is found, sorted."""
    page = gallery.find(Search(text=text, facets=facets, **more), owner, limit=1000)
    return sorted(one.entry.place.name for one in page.pictures)
