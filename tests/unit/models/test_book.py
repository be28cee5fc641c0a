"""Adapters, embeddings and VAEs by name, and what their headers and bytes tell."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.models import Catalog, ModelFile
from app.models.adapters import adapter_facts
from app.models.book import Book
from app.models.library import Library
from app.schema.errors import BadModelFile
from app.schema.settings import ServerSettings
from tests.support.paths import DATA, ROOT


@pytest.fixture
def catalog(tiny_data: Path) -> Iterator[Catalog]:
    catalog = Catalog(ServerSettings(data_dir=tiny_data, embedded_dir=ROOT / "models" / "Stable-diffusion"))
    yield catalog
    catalog.close()


@pytest.fixture
def book(catalog: Catalog) -> Book:
    return catalog.book


def lora(book: Book, name: str) -> ModelFile:
    file = book.adapter("lora", name)
    assert file is not None
    return file


def test_every_hash_is_the_one_that_a1111_wrote(book: Book) -> None:
    """Of each adapter and embedding that stands in the references' infotexts."""
    found: dict[str, str] = {}
    for case in json.loads((DATA / "parity" / "cases" / "adapters.json").read_text()):
        said = case["info"]["extra_generation_params"]
        for pair in f"{said.get('Lora hashes', '')}, {said.get('TI hashes', '')}".split(", "):
            name, _, value = pair.partition(": ")
            found |= {name: value} if value else {}
    assert len(found) > 20
    embeddings = {file.name: file for file, _ in book.embeddings()}
    for name, value in found.items():
        assert (book.embedding_hash(embeddings[name]) if name in embeddings else book.adapter_hash(lora(book, name))) == value, name


def test_second_names_and_what_headers_tell(book: Book) -> None:
    assert lora(book, "glossy-unet").name == "unet-only" and book.adapter("lora", "GLOSSY-UNET") is None
    assert book.adapter("hypernetwork", "hyper") is not None and book.adapter("hypernetwork", "lin") is None
    names = ("lin", "dora", "loha", "lokr-full", "oft", "glora", "te-only")
    facts = {name: book.adapter_facts(lora(book, name)) for name in names}
    assert facts["lin"].kinds == ("LoRA",) and facts["lin"].metadata["ss_network_dim"] == "4"
    assert "DoRA" in facts["dora"].kinds and facts["loha"].kinds == ("LoHa",) and facts["oft"].kinds == ("OFT",)
    assert facts["lin"].context_width == facts["loha"].context_width == 64 and facts["te-only"].context_width is None


def test_second_names_that_cards_know_are_not_read_again(
    catalog: Catalog, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(catalog, tmp_path / "models.sqlite3")
    library.read()
    library.close()
    catalog.refresh()
    read: list[str] = []
    monkeypatch.setattr(Book, "adapter_facts", lambda self, file: read.append(file.name) or adapter_facts(file.path))
    assert lora(catalog.book, "glossy-unet").name == "unet-only" and catalog.book.adapter("lora", "no such name") is None and read == []
    shutil.copy(tiny_data / "models" / "Lora" / "unet-only.safetensors", tiny_data / "models" / "Lora" / "a newcomer.safetensors")
    catalog.refresh()
    assert lora(catalog.book, "glossy-unet").name == "a newcomer" and read == ["a newcomer"]


def test_a_hash_counts_the_tensors_alone(book: Book, tiny_data: Path) -> None:
    source = (tiny_data / "models" / "Lora" / "lin.safetensors").read_bytes()
    end = 8 + int.from_bytes(source[:8], "little")
    assert book.adapter_hash(lora(book, "lin")) == hashlib.sha256(source[end:]).hexdigest()[:12]


def test_embeddings_by_the_width_they_fit(book: Book, catalog: Catalog, tiny_data: Path) -> None:
    (tiny_data / "embeddings" / "broken.pt").write_bytes(b"x")
    shutil.copy(tiny_data / "embeddings" / "tinyone.pt", tiny_data / "embeddings" / "later.pt")
    catalog.refresh()
    assert {file.name: facts.vectors for file, facts in book.embeddings(64)} == {"later": 1, "tiny concept": 1, "tinymany": 4, "tinyone": 1}
    assert list(book.embeddings(768)) == []
    assert next(facts.step for file, facts in book.embeddings() if file.name == "tinyone") == 100


@pytest.mark.parametrize(
    ("checkpoint_name", "wanted", "wins", "chosen"),
    [
        ("tiny-a", "Automatic", True, None),
        ("tiny-a", "None", True, None),
        ("tiny-a", "tiny-other.safetensors", True, "tiny-other.safetensors"),
        ("tiny-a", "tiny-other.safetensors", False, "tiny-other.safetensors"),
        ("tiny-a", "nope.safetensors", True, None),
        ("tiny-c", "Automatic", True, "tiny-c.vae.safetensors"),
        ("tiny-c", "None", True, None),
        ("tiny-c", "tiny-other.safetensors", True, "tiny-other.safetensors"),
        ("tiny-c", "tiny-other.safetensors", False, "tiny-c.vae.safetensors"),
    ],
)
def test_which_vae_is_used(book: Book, catalog: Catalog, checkpoint_name: str, wanted: str, wins: bool, chosen: str | None) -> None:
    file = book.vae(catalog.find(checkpoint_name), wanted, wins=wins)
    assert (file.path.name if file else None) == chosen


def test_a_damaged_file_is_told_once_more_when_it_has_changed(book: Book, catalog: Catalog, tiny_data: Path) -> None:
    path = tiny_data / "models" / "Lora" / "cut.safetensors"
    whole = (tiny_data / "models" / "Lora" / "lin.safetensors").read_bytes()
    path.write_bytes(whole[:5000])
    catalog.refresh()
    for _ in range(2):
        with pytest.raises(BadModelFile, match=r"^cut\.safetensors: The file is cut off"):
            book.adapter_facts(lora(book, "cut"))
    assert book.adapter("lora", "no such name") is None  # looking through all second names passes over it
    path.write_bytes(whole)
    catalog.refresh()
    assert book.adapter_facts(lora(book, "cut")).kinds == ("LoRA",)
    gone = replace(lora(book, "cut"), path=path.with_name("gone.safetensors"), size_bytes=1)
    with pytest.raises(BadModelFile, match="cannot be read"):
        book.adapter_facts(gone)
