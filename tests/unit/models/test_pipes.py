"""Pipes, sockets and devices in the folders of models: whoever opens one waits for ever, so none is opened."""

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.gallery.thumbnails import Thumbnails
from app.models import Catalog
from app.models.diffusers_folder import read_table
from app.models.hashes import autov1_of, sha256_of
from app.models.header import read_safetensors_header
from app.models.library import Library, Search, hashes_of
from app.models.library.told import BadNotes, read_civitai, read_notes, write_notes
from app.models.pickle_header import read_pickle_header
from app.models.plain_yaml import read_yaml
from app.models.png_embedding import holds_embedding, read_png_embedding
from app.schema.errors import BadModelFile, BadPicture, DarkroomError
from app.schema.regular_files import NotRegular, open_regular
from app.schema.settings import ServerSettings
from tests.support.model_files import write_shapes

WAIT_S = 30.0
InTime = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def in_time() -> Iterator[InTime]:
    """Runs something that may not wait; where it waits for a pipe, the test fails, and what waits is let go in the end."""
    pool = ThreadPoolExecutor(1)
    yield lambda work: pool.submit(work).result(WAIT_S)
    pool.shutdown(wait=False)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """A pipe that nobody writes into, until the test is over."""
    path = tmp_path / "pipe.json"
    os.mkfifo(path)
    yield path
    _let_go(path)


def _let_go(pipe: Path) -> None:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # nobody waits there
        return


def test_a_file_is_opened_and_nothing_else(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"abc"
    for path in (pipe, Path(os.devnull)):
        with pytest.raises(NotRegular, match="it is no regular file"):
            open_regular(path)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(OSError):
            open_regular(tmp_path / "s")


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (read_safetensors_header, BadModelFile),
        (read_pickle_header, BadModelFile),
        (read_yaml, BadModelFile),
        (read_png_embedding, BadModelFile),
        (lambda path: read_table(path.parent, path.name), BadModelFile),
        (read_notes, BadNotes),
        (read_civitai, BadNotes),
        (lambda path: write_notes(path, {"notes": "x"}), BadNotes),
        (lambda path: Thumbnails(path.parent / "small").get(b"1234", path), BadPicture),
        (sha256_of, NotRegular),
        (autov1_of, NotRegular),
        (hashes_of, NotRegular),
    ],
)
def test_every_reader_refuses_a_pipe(pipe: Path, in_time: InTime, read: Callable[[Path], object], error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        in_time(lambda: read(pipe))
    assert not isinstance(refused.value, DarkroomError) or str(refused.value).count(". ") == 0
    assert in_time(lambda: holds_embedding(pipe)) is False


def test_pipes_in_the_folders_of_models_hold_nothing_up(tmp_path: Path, in_time: InTime) -> None:
    loras, folder = tmp_path / "models" / "Lora", tmp_path / "models" / "Stable-diffusion" / "whole"
    lora = write_shapes(loras / "a.safetensors", {"lora_unet_x.lora_down.weight": (4, 768)})
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    pipes = [lora.with_suffix(ending) for ending in (".json", ".civitai.info", ".preview.png")]
    pipes += [loras / "b.safetensors", folder / "unet" / "config.json", folder / "unet" / "diffusion_pytorch_model.safetensors"]
    for path in pipes:
        os.mkfifo(path)
    catalog = Catalog(ServerSettings(data_dir=tmp_path))
    library = Library(catalog, tmp_path / "models.sqlite3")
    try:
        in_time(catalog.refresh)
        in_time(library.read)
        assert [card.file.filename for card in library.find(Search(kinds=frozenset({"lora"}))).cards] == ["a.safetensors"]
        assert library.preview("lora", "a.safetensors") is None
        with pytest.raises(BadNotes, match=r"a\.json beside the model cannot be read: it is no regular file"):
            in_time(lambda: library.change("lora", "a.safetensors", {"notes": "mine"}))
        assert in_time(lambda: library.change("lora", "a.safetensors", {"favourite": True})).mark.favourite
        assert "Its unet/config.json cannot be read: it is no regular file" in str(library.get("checkpoint", "whole").problem)
    finally:
        for path in pipes:
            _let_go(path)
        library.close()
        catalog.close()
