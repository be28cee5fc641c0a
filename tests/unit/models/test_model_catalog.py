"""The catalogue: what it finds, by which names, and how hashes come to it."""

import hashlib
import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.models import EMBEDDED, EMBEDDED_ALL, Catalog, HashingProgress, ModelFile, chosen_checkpoint, make_folders
from app.models.facts import CheckpointFacts
from app.models.folders import Root
from app.models.reading import read_facts
from app.models.scan import scan
from app.schema.errors import BadModelFile, UnknownName
from app.schema.settings import ServerSettings
from tests.support.model_files import tiny_shapes, torch_file, write_shapes, zeros

WAIT_S = 60.0
TINY_A = "c7388cc81162358b3be294546e4c5e31175d209ebd22b7da2e23e90d912968d3"
TINY_B = "1d1aef36c8a0cc60ca6bdc16cba6623f68a3aa62973ac80a9d8603fe5ffe908b"

Opener = Callable[..., Catalog]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Makes catalogues, and closes them in the end."""
    made: list[Catalog] = []

    def open_catalog(data_dir: Path, **settings: Any) -> Catalog:
        made.append(Catalog(ServerSettings(data_dir=data_dir, **settings)))
        return made[-1]

    yield open_catalog
    for catalog in made:
        catalog.close()


def folder(data_dir: Path, name: str = "Stable-diffusion") -> Path:
    path = data_dir / "models" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def small(path: Path, seed: str = "") -> Path:
    """A whole checkpoint of another size for each seed: a text encoder of few words, everything else zeros that take no room."""
    shapes = tiny_shapes("sd1", "sd1")
    shapes["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"] = (10, 64)
    return write_shapes(path, shapes, {"darkroom.text_heads": "4", "seed": seed})


def names(files: list[ModelFile]) -> list[str]:
    return [file.filename for file in files]


# ---------------------------------------------------------------- listing


def test_the_tiny_models(tiny_data: Path, opened: Opener) -> None:
    catalog = opened(tiny_data)
    checkpoints = {file.name: file for file in catalog.checkpoints()}
    tiny = ["tiny-a", "tiny-a-copy", "tiny-a-ema", "tiny-b", "tiny-c", "tiny-inpaint", "tiny-ip2p", "tiny-v"]
    others = ["sd2-a", "sd2-inpaint", "sd2-v", "sdxl-a", "sdxl-b", "sdxl-inpaint", "sdxl-refiner", "sdxl-v"]
    assert list(checkpoints) == [*others, *tiny]
    tiny_a = checkpoints["tiny-a"]
    assert (tiny_a.title, tiny_a.sha256, tiny_a.problem, tiny_a.size_bytes) == ("tiny-a.safetensors", None, None, 16018398)
    assert tiny_a.facts is not None and tiny_a.facts.texts[0].heads == 4
    sdxl = checkpoints["sdxl-a"].facts
    assert sdxl is not None and (sdxl.family_title, len(sdxl.texts)) == ("SDXL", 2)
    assert names(catalog.of_kind("vae")) == ["tiny-c.vae.safetensors", "tiny-other.safetensors", "tiny-pickle.vae.pt"]
    assert names(catalog.of_kind("embedding")) == ["tiny concept.bin", "tinymany.safetensors", "tinyone.pt"]
    assert names(catalog.of_kind("hypernetwork")) == ["hyper.pt", "hyper-norm.pt"]
    assert "lin-pickle.pt" in names(catalog.of_kind("lora")) and catalog.of_kind("upscaler") == []
    with pytest.raises(UnknownName, match="kind of model"):
        catalog.of_kind("loras")  # type: ignore[arg-type]


def test_folders_of_any_depth_and_links(tmp_path: Path, opened: Opener, caplog: pytest.LogCaptureFixture) -> None:
    root, elsewhere = folder(tmp_path / "data"), tmp_path / "elsewhere"
    whole = small(elsewhere / "real.safetensors")
    for place in ("model2.safetensors", "Model10.ckpt", "deep/er/and/deeper/m.pt", ".hidden/h.safetensors", "._model2.safetensors"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole, root / place)
    (root / "linked.safetensors").symlink_to(whole)
    (root / "broken.safetensors").symlink_to(tmp_path / "gone")
    (root / "circle").symlink_to(root)
    (root / "outside").symlink_to(elsewhere)
    (root / "folder.safetensors").mkdir()
    (root / "/".join(["d"] * 40)).mkdir(parents=True)
    shutil.copy(whole, root / "/".join(["d"] * 40) / "too-deep.safetensors")
    os.mkfifo(root / "pipe.safetensors")
    (root / "notes.txt").write_text("x")
    with caplog.at_level(logging.INFO):
        catalog = opened(tmp_path / "data")
        catalog.refresh()  # what was said of links and broken ones is not said again
        found = catalog.checkpoints()
    assert names(found) == ["deep/er/and/deeper/m.pt", "linked.safetensors", "model2.safetensors", "Model10.ckpt"]
    assert found[1].path == root / "linked.safetensors" and found[1].problem is None
    assert caplog.text.count("outside is a link to a folder and is not followed") == 1
    assert caplog.text.count("broken.safetensors' cannot be listed") == 1
    assert found[0].problem is not None and "Rename it to .safetensors" in found[0].problem


@pytest.mark.parametrize("name", ["x.json", "x", "x.safetensors", "model_index.json", "deep/x.json"])
def test_a_link_that_leads_to_itself_is_passed_over(tmp_path: Path, opened: Opener, name: str) -> None:
    root = folder(tmp_path)
    small(root / "good.safetensors")
    loop = root / name
    loop.parent.mkdir(exist_ok=True)
    loop.symlink_to(loop.name)
    catalog = opened(tmp_path)
    catalog.refresh()
    assert names(catalog.checkpoints()) == ["good.safetensors"]


def test_names_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    root = folder(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/bad\xff.safetensors")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")
    small(root / "good.safetensors")
    assert [file.filename for file in scan(Root("checkpoint", root))] == ["good.safetensors"]


def test_further_folders_and_single_files(tmp_path: Path, opened: Opener) -> None:
    data, other, alone = tmp_path / "data", tmp_path / "other", tmp_path / "alone"
    small(folder(data) / "a.safetensors")
    small(other / "sub" / "b.safetensors")
    small(alone / "c.safetensors")
    (tmp_path / "embedded").symlink_to(folder(data))
    catalog = opened(data, ckpt_dir=other, ckpt=alone / "c.safetensors", embedded_dir=tmp_path / "embedded", lora_dir=other)
    assert names(catalog.checkpoints()) == ["a.safetensors", "c.safetensors", "sub/b.safetensors"], "no file is listed twice"
    assert names(catalog.of_kind("lora")) == [], "b lies in two folders; the first of them says what it is"
    assert names(opened(data, ckpt=folder(data) / "a.safetensors").checkpoints()) == ["a.safetensors"]
    assert names(opened(data, ckpt=data / "gone.safetensors", ckpt_dir=tmp_path / "nowhere").checkpoints()) == ["a.safetensors"]
    assert names(opened(data, ckpt=Path("a")).checkpoints()) == ["a.safetensors"]


def test_an_empty_data_folder(tmp_path: Path, opened: Opener) -> None:
    settings = ServerSettings(data_dir=tmp_path / "new", hypernetwork_dir=tmp_path / "mine")
    make_folders(settings)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert made == {"new", "new/models", "new/embeddings", *(f"new/models/{n}" for n in ("Stable-diffusion", "VAE", "Lora", "ESRGAN"))}
    catalog = opened(tmp_path / "new")
    assert catalog.checkpoints() == [] and catalog.hashing == HashingProgress(0, 0, 0, None)
    with pytest.raises(UnknownName):
        catalog.find("anything")


def test_a_file_says_whether_it_is_still_the_one_that_was_listed(tmp_path: Path, opened: Opener) -> None:
    path = small(folder(tmp_path) / "a.safetensors")
    file = opened(tmp_path).find("a")
    assert file.is_current()
    path.write_bytes(b"x")
    assert not file.is_current()
    path.unlink()
    assert not file.is_current()


def test_ones_own_checkpoint_is_chosen_before_those_that_come_along_and_of_these_the_newest(tmp_path: Path, opened: Opener) -> None:
    for name in EMBEDDED_ALL:
        small(folder(tmp_path) / f"{name}.safetensors")
    catalog = opened(tmp_path)
    assert (chosen := chosen_checkpoint(catalog, "")) is not None and chosen.name == EMBEDDED
    assert (chosen := chosen_checkpoint(catalog, "pocket-emoji-v1")) is not None and chosen.name == "pocket-emoji-v1"
    small(folder(tmp_path) / "zebra.safetensors")
    catalog.refresh()
    assert (chosen := chosen_checkpoint(catalog, "")) is not None and chosen.name == "zebra"


def test_refresh_sees_new_changed_and_removed_files(tmp_path: Path, opened: Opener) -> None:
    root = folder(tmp_path)
    first = small(root / "a.safetensors")
    catalog = opened(tmp_path)
    assert names(catalog.checkpoints()) == ["a.safetensors"]
    small(root / "b.safetensors")
    assert names(catalog.checkpoints()) == ["a.safetensors"], "until it is refreshed"
    first.write_bytes(b"")
    catalog.refresh()
    assert names(catalog.checkpoints()) == ["a.safetensors", "b.safetensors"]
    assert catalog.find("a").problem == "The file is empty (0 bytes). Download it again."
    first.unlink()
    catalog.refresh()
    assert names(catalog.checkpoints()) == ["b.safetensors"]


def test_a_yaml_that_changes_changes_the_facts(tmp_path: Path, opened: Opener) -> None:
    small(folder(tmp_path) / "a.safetensors")
    catalog = opened(tmp_path)
    for text, prediction in (("", "epsilon"), ("model: {params: {parameterization: v}}", "v")):
        (folder(tmp_path) / "a.yaml").write_text(text)
        catalog.refresh()
        facts = catalog.find("a").facts
        assert facts is not None and facts.prediction == prediction


def spoil(path: Path) -> None:
    """Makes a file unreadable as a model, while its size and time of change stay as they were."""
    state = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff" * 64)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_facts_are_read_once_and_kept_over_a_restart(tmp_path: Path, opened: Opener) -> None:
    path = small(folder(tmp_path) / "a.safetensors")
    first = opened(tmp_path)
    facts = first.find("a").facts
    spoil(path)
    first.refresh()
    assert first.find("a").facts == facts is not None
    assert opened(tmp_path).find("a").facts == facts
    with sqlite3.connect(tmp_path / "cache" / "models.sqlite3") as connection:
        connection.execute("UPDATE facts SET stamp = replace(stamp, ':', ';')")
    assert opened(tmp_path).find("a").problem is not None, "facts with another stamp are not believed"


def test_a_folder_of_thousands_of_files(tmp_path: Path, opened: Opener) -> None:
    root = folder(tmp_path)
    whole = write_shapes(tmp_path / "whole.safetensors", {"fc.weight": (20, 20)})
    for number in range(3000):
        os.link(whole, root / f"model-{number}.safetensors")
    catalog = opened(tmp_path)
    assert len(catalog.checkpoints()) == 3000
    assert names(catalog.checkpoints())[9:12] == ["model-9.safetensors", "model-10.safetensors", "model-11.safetensors"]
    spoil(whole)
    told = {file.problem for file in opened(tmp_path).checkpoints()}
    assert told == {"This is no checkpoint of a family that Darkroom knows."}, "none is read again"


def test_one_bad_file_keeps_no_other_from_being_used(tmp_path: Path, opened: Opener) -> None:
    root = folder(tmp_path)
    for number, yaml in enumerate(("a: !!timestamp abc", "a: !!bool foo", "a: !!int ''", "a: !!float _", "a: &a [b]\nc: *a")):
        small(root / f"yaml-{number}.safetensors")
        (root / f"yaml-{number}.yaml").write_text(yaml)
    zipped = bytearray(torch_file({"a": zeros(4)}))
    place = zipped.index(b"PK\x01\x02")
    zipped[place + 8 : place + 10], zipped[place + 46] = b"\x00\x08", 0xFF
    (root / "zip.ckpt").write_bytes(zipped)
    shapes = tiny_shapes("sd1", "sd1")
    write_shapes(root / "title.safetensors", shapes, {"darkroom.text_heads": "4", "modelspec.title": "half \ud83d"})
    write_shapes(root / "name.safetensors", {**shapes, "\udc00": (1,)}, {"darkroom.text_heads": "4"})
    small(root / "good.safetensors")
    catalog = opened(tmp_path)
    problems = {file.name: file.problem for file in catalog.checkpoints()}
    assert [name for name, problem in problems.items() if problem is None] == ["good"] and len(problems) == 9
    assert "it is no UTF-8 text" in str(problems["title"]) and "it names types" in str(problems["yaml-3"])
    assert {file.name: file.problem for file in opened(tmp_path).checkpoints()} == problems, "as it was kept"


def test_what_no_reader_foresaw_is_one_files_problem(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "good"):
        small(folder(tmp_path) / f"{name}.safetensors")

    def read(path: Path) -> CheckpointFacts:
        return {"good": read_facts}[path.stem](path)

    monkeypatch.setattr("app.models.catalog.read_facts", read)
    catalog = opened(tmp_path)
    assert catalog.find("bad").problem == "The file cannot be read (KeyError); the server's log says more."
    assert catalog.find("good").problem is None and "KeyError: 'bad'" in caplog.text


# ---------------------------------------------------------------- names


@pytest.fixture(scope="module")
def hashed(tiny_models: Path) -> Iterator[Catalog]:
    """A catalogue whose tiny-a and tiny-b have been hashed."""
    catalog = Catalog(ServerSettings(data_dir=tiny_models))
    for name in ("tiny-a", "tiny-b"):
        catalog.hash(catalog.find(name))
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    "name",
    [
        "tiny-a",
        "tiny-a.safetensors",
        "tiny-a.safetensors [c7388cc811]",
        " tiny-a ",
        "TINY-A",
        "Tiny-A.Safetensors",
        "c7388cc811",
        "C7388CC811",
        "c7388cc81162",
        "c7388cc8",
        TINY_A,
        "renamed.safetensors [c7388cc811]",
        "tiny-a.safetensors [0123456789]",
        "tiny-a [c7388cc811]",
    ],
)
def test_find_by_every_name(hashed: Catalog, name: str) -> None:
    assert hashed.find(name).filename == "tiny-a.safetensors"


def test_find_by_path(hashed: Catalog) -> None:
    file = hashed.find("tiny-b")
    assert hashed.find(str(file.path)) == file


@pytest.mark.parametrize("name", ["", " ", "tiny", "tiny-a.ckpt", "0123456789", "[c7388cc811", "tiny-other", "e3b0c44298"])
def test_unknown_names(hashed: Catalog, name: str) -> None:
    with pytest.raises(UnknownName, match="There is no checkpoint"):
        hashed.find(name)


def test_an_unknown_name_says_what_comes_nearest(hashed: Catalog) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean tiny-a"):
        hashed.find("tiny-aa")


def test_names_in_folders(tmp_path: Path, opened: Opener) -> None:
    root = folder(tmp_path)
    for name in ("sub/a.safetensors", "a.ckpt", "sub/b.safetensors", "deep/er/b.safetensors"):
        small(root / name)
    catalog = opened(tmp_path)
    assert catalog.find("a").filename == "sub/a.safetensors", "a.ckpt cannot be loaded"
    assert catalog.find("a.ckpt").filename == "a.ckpt"
    assert catalog.find("b").filename == "sub/b.safetensors", "the nearer one"
    for name in ("deep/er/b.safetensors", "deep\\er\\b.safetensors", "deep/er/b", "DEEP/ER/B"):
        assert catalog.find(name).filename == "deep/er/b.safetensors"


@pytest.mark.parametrize("name", [" .safetensors", "\r.safetensors", " a .safetensors", "a\n.safetensors", "..safetensors"])
def test_names_that_begin_or_end_with_spaces(tmp_path: Path, opened: Opener, name: str) -> None:
    small(folder(tmp_path) / name)
    small(folder(tmp_path) / "a.safetensors", "another")
    catalog = opened(tmp_path)
    assert catalog.find(name).filename == name
    catalog.hash(catalog.find(name))
    assert catalog.find(catalog.find(name).title).filename == name


def test_hashes(hashed: Catalog) -> None:
    for value in ("c7388cc8", "c7388cc811", "c7388cc81162", TINY_A, TINY_A.upper(), f" {TINY_A} "):
        found = hashed.by_hash(value)
        assert found is not None and found.name == "tiny-a"
    for value in ("", "c7388cc", "c7388cc81", TINY_A[:20], "zzzzzzzz", "00000000", TINY_A + "0", "*" * 8):
        assert hashed.by_hash(value) is None
    nothing = hashlib.sha256(b"").hexdigest()
    assert [hashed.by_hash(nothing[:length]) for length in (8, 10, 12, 64)] == [None] * 4


def test_the_hash_of_2022(hashed: Catalog) -> None:
    data = hashed.find("tiny-v").path.read_bytes()[0x100000:0x110000]
    found = hashed.by_hash(hashlib.sha256(data).hexdigest()[:8])
    assert found is not None and found.name == "tiny-v", "it needs no reading of the whole file"


def test_an_ambiguous_hash_names_nothing(tmp_path: Path, opened: Opener) -> None:
    one, two = (small(folder(tmp_path) / f"{name}.safetensors") for name in ("one", "two"))
    with two.open("ab") as file:
        file.write(b"different after the part that AutoV1 looks at")
    data = one.read_bytes()[0x100000:0x110000]
    autov1 = hashlib.sha256(data).hexdigest()[:8]
    catalog = opened(tmp_path)
    assert catalog.by_hash(autov1) is None
    two.write_bytes(one.read_bytes())
    catalog.refresh()
    sha256 = catalog.hash(catalog.find("one"))
    assert catalog.by_hash(sha256[:10]) == catalog.find("one")
    assert catalog.hash(catalog.find("two")) == sha256
    found = catalog.by_hash(autov1)
    assert found is not None and found.sha256 == sha256, "copies are the same checkpoint"


# ---------------------------------------------------------------- hashing


def test_hashing_changes_the_title_and_is_kept(tiny_data: Path, opened: Opener) -> None:
    catalog = opened(tiny_data)
    seen: list[tuple[int, int]] = []
    assert catalog.hash(catalog.find("tiny-a"), lambda done, total: seen.append((done, total))) == TINY_A
    assert seen[-1] == (16018398, 16018398)
    file = catalog.find("tiny-a")
    assert (file.title, file.sha256, file.short_hash) == ("tiny-a.safetensors [c7388cc811]", TINY_A, "c7388cc811")
    seen.clear()
    assert catalog.hash(file, lambda done, total: seen.append((done, total))) == TINY_A and seen == []
    assert opened(tiny_data).find("tiny-a").sha256 == TINY_A
    assert catalog.hash(catalog.of_kind("vae")[0]).startswith("67a885327137")


def test_a_file_that_was_replaced_is_hashed_again(tmp_path: Path, opened: Opener) -> None:
    path = small(folder(tmp_path) / "a.safetensors")
    catalog = opened(tmp_path)
    before = catalog.hash(catalog.find("a"))
    small(path, "another")
    after = catalog.hash(catalog.find("a"))
    assert before != after == hashlib.sha256(path.read_bytes()).hexdigest()
    catalog.refresh()
    assert catalog.find("a").sha256 == after
    path.unlink()
    with pytest.raises(BadModelFile, match=r"a\.safetensors cannot be read"):
        catalog.hash(catalog.find("a"))


def test_background_hashing_of_all_checkpoints(tmp_path: Path, opened: Opener) -> None:
    root = folder(tmp_path)
    for number in range(3):
        small(root / f"{number}.safetensors", str(number))
    catalog = opened(tmp_path)
    seen: list[HashingProgress] = []
    rest = threading.Event()

    def progress(now: HashingProgress) -> None:
        seen.append(now)
        if now.files_left == 0:
            rest.set()

    catalog.start_background_hashing(progress)
    assert rest.wait(WAIT_S)
    total_bytes = sum(path.stat().st_size for path in root.glob("*.safetensors"))
    assert catalog.hashing == seen[-1] == HashingProgress(total_bytes, total_bytes, 0, None)
    assert [now.done_bytes for now in seen] == sorted(now.done_bytes for now in seen)
    assert {"0.safetensors", "1.safetensors", "2.safetensors"} <= {now.current for now in seen}
    assert [file.sha256 for file in catalog.checkpoints()] == [
        hashlib.sha256(file.path.read_bytes()).hexdigest() for file in catalog.checkpoints()
    ]
    rest.clear()
    small(root / "new.safetensors", "new")
    catalog.refresh()
    assert rest.wait(WAIT_S)
    assert catalog.find("new").sha256 is not None
    catalog.stop_background_hashing()
    assert not [thread for thread in threading.enumerate() if thread.name == "hashing"]


def test_many_threads_at_once(tiny_data: Path, opened: Opener) -> None:
    catalog = opened(tiny_data)
    files = len(list((tiny_data / "models" / "Stable-diffusion").glob("*.safetensors")))
    errors: list[BaseException] = []

    def use(number: int) -> None:
        try:
            if number % 3 == 0:
                catalog.refresh()
            assert catalog.find("tiny-b").name == "tiny-b"
            assert catalog.hash(catalog.find("tiny-b")) == TINY_B
            assert len(catalog.checkpoints()) == files and catalog.hashing.total_bytes > 0
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=use, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert errors == []


def test_a_damaged_cache_is_found_out_again(tmp_path: Path, opened: Opener) -> None:
    small(folder(tmp_path) / "a.safetensors")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models.sqlite3").write_bytes(b"\xff" * 9000)
    catalog = opened(tmp_path)
    assert catalog.find("a").problem is None
    catalog.close()
    assert len(catalog.hash(catalog.find("a"))) == 64, "a closed catalogue still answers"
