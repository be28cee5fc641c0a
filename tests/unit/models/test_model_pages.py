"""A model's page: hashes in one reading, training metadata in words, what to begin with."""

import hashlib
import json
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import blake3
import pytest

from app.models import Catalog, ModelFile
from app.models.hashes import CHUNK_BYTES, HashingCancelled, tensors_sha256_of
from app.models.library import Library, hashes_of, read_about
from app.models.library.training import tag_counts
from app.schema.settings import ServerSettings
from tests.support.model_files import tiny_shapes, write_shapes

WAIT_S = 60.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    catalog = Catalog(ServerSettings(data_dir=tmp_path))
    made = Library(catalog, tmp_path / "models.sqlite3")
    yield made
    made.close()
    catalog.close()


def lora(library: Library, name: str = "a", side: int = 4, **metadata: str) -> ModelFile:
    folder = library._catalog.settings.models / "Lora"
    write_shapes(folder / f"{name}.safetensors", {"lora_unet_x.lora_down.weight": (side, 768)}, metadata)
    library._catalog.refresh()
    return library.get("lora", f"{name}.safetensors").file


# ---------------------------------------------------------------- hashes


@pytest.mark.parametrize("size", [10, 0x100000 + 10, 0x110000, CHUNK_BYTES, 2 * CHUNK_BYTES + 17])
def test_every_hash_of_one_reading(tmp_path: Path, size: int) -> None:
    """Against each library's own way, for sizes around the borders of what is read at once."""
    header = json.dumps({"x": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(number % 251 for number in range(size))
    plain, other = tmp_path / "a.safetensors", tmp_path / "a.ckpt"
    plain.write_bytes(data)
    other.write_bytes(data)
    seen: list[tuple[int, int]] = []
    found = hashes_of(plain, lambda done, total: seen.append((done, total)))
    assert found.sha256 == hashlib.sha256(data).hexdigest() and found.autov2 == found.sha256[:10]
    assert found.autov3 == tensors_sha256_of(plain)[:12] == hashlib.sha256(data[8 + len(header) :]).hexdigest()[:12]
    assert (found.crc32, found.blake3) == (f"{zlib.crc32(data):08x}", blake3.blake3(data).hexdigest())
    middle = data[0x100000:0x110000]
    assert found.autov1 == (hashlib.sha256(middle).hexdigest()[:8] if middle else None)
    assert seen[-1] == (len(data), len(data)) and hashes_of(other).autov3 is None and hashes_of(other).sha256 == found.sha256


def test_hashing_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(bytes(100))
    with pytest.raises(HashingCancelled):
        hashes_of(path, cancelled=lambda: True)


def test_hashes_are_computed_when_asked_for_and_kept(library: Library, tmp_path: Path) -> None:
    file = lora(library)
    assert library.hashes.state(file).state == "unknown"
    assert library.hashes.ask(file).state == "waiting"
    done = wait(library, file)
    assert done.hashes == hashes_of(file.path) and done.done_bytes == done.total_bytes == file.size_bytes
    assert library.get("lora", "a.safetensors").file.sha256 == done.hashes.sha256
    other = Library(library._catalog, tmp_path / "other.sqlite3")
    assert other.hashes.state(file).hashes == done.hashes
    other.close()
    changed = lora(library, side=8)
    assert library.hashes.state(changed).state == "unknown"


def test_a_file_that_is_gone_or_changes_is_told(library: Library) -> None:
    gone, changing = lora(library, "gone"), lora(library, "changing")
    gone.path.unlink()
    lora(library, "changing", side=8)
    for file, sentence in ((gone, "cannot be read"), (changing, "changed while it was read")):
        library.hashes.ask(file)
        assert sentence in (wait(library, file).problem or "")


def wait(library: Library, file: ModelFile):
    for _ in range(int(WAIT_S * 20)):
        state = library.hashes.state(file)
        if state.state in ("done", "failed"):
            return state
        threading.Event().wait(0.05)
    raise AssertionError(f"the hashes of {file.filename} are still {state.state}")


# ---------------------------------------------------------------- metadata


def test_training_metadata_in_words(library: Library) -> None:
    tags = {"10_hat": {"hat": 30, " red ": 2}, "5_more": {"red": 7, "bad": "no number"}, "odd": 3}
    file = lora(
        library,
        ss_network_dim="16", ss_network_alpha="8", ss_sd_model_name="model.safetensors", ss_vae_name="None", ss_num_epochs="10",
        ss_training_started_at="1700000000.5", ss_training_finished_at="soon", ss_tag_frequency=json.dumps(tags), another="thing",
        **{"modelspec.title": "A Hat", "modelspec.thumbnail": "data:image/jpeg;base64,xxxx", "modelspec.usage_hint": "gently"},
    )  # fmt: skip
    about = read_about(file)
    assert dict(about.training) == {
        "Base model": "model.safetensors", "Network dim (rank)": "16", "Network alpha": "8", "Epochs": "10",
        "Started": "2023-11-14 22:13 UTC", "Finished": "soon",
    }  # fmt: skip
    assert about.tags == (("hat", 30), ("red", 9)) and dict(about.spec) == {"Title": "A Hat", "Usage hint": "gently"}
    assert dict(about.other) == {"another": "thing"} and about.usage_hint == "gently"
    assert (about.layout, about.tensors, about.parameters, about.suggested) == ("safetensors", 1, 4 * 768, None)


@pytest.mark.parametrize("told", ["no json", "[1]", '{"a": {"b": 1e400}}', "[" * 100_000, '{"a": [1]}', ""])
def test_tags_that_are_none(told: str) -> None:
    assert tag_counts(told) == {}


def test_what_to_begin_with(library: Library) -> None:
    folder = library._catalog.settings.models / "Stable-diffusion"
    shapes = tiny_shapes("sd1", "sd1")
    heads = {"darkroom.text_heads": "4", "modelspec.resolution": "512x512"}
    write_shapes(folder / "plain.safetensors", shapes, heads)
    write_shapes(folder / "fast.safetensors", shapes, heads | {"modelspec.title": "Some LCM model"})
    (folder / "broken.safetensors").write_bytes(b"x")
    library._catalog.refresh()
    plain, fast, broken = (read_about(library.get("checkpoint", f"{name}.safetensors").file) for name in ("plain", "fast", "broken"))
    assert plain.suggested is not None and (plain.suggested.width, plain.suggested.steps) == (512, None)
    assert fast.suggested is not None
    assert (fast.suggested.steps, fast.suggested.cfg_scale, fast.suggested.sampler) == (6, 1.5, "LCM")
    assert fast.usage_hint == "A LCM checkpoint, made for few steps: 6 steps, CFG 1.5, sampler LCM."
    assert (plain.prediction, plain.text_encoders, broken.layout, broken.suggested) == ("epsilon", 1, None, None)
