"""Files held against what their headers, Civitai's notes and earlier readings say."""

import hashlib
import json
import os
import zlib
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from app.models import Catalog, sha256_of

FILE = {"action": "verify", "kind": "checkpoint", "filename": "mine.safetensors"}


@pytest.fixture
def mine(folder: Path) -> Path:
    """A checkpoint that states its tensors' hash."""
    path = folder / "mine.safetensors"
    tensors = load_file(folder / "tiny-b.safetensors")
    save_file(tensors, path)
    save_file(tensors, path, {"modelspec.hash_sha256": f"0x{of_tensors(path)}", "sshs_model_hash": of_tensors(path)})
    return path


def of_tensors(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def note(path: Path, name: str | None = None, **hashes: str) -> None:
    content = {"files": [{"name": name or path.name, "hashes": hashes}], "description": "as Civitai Helper writes it"}
    path.with_suffix(".civitai.info").write_text(json.dumps(content))


def test_every_hash_that_is_said_agrees(do, mine: Path) -> None:
    data = mine.read_bytes()
    crc = f"{zlib.crc32(data):08X}"
    note(mine, SHA256=sha256_of(mine).upper(), AutoV2=sha256_of(mine)[:10].upper(), AutoV3=of_tensors(mine)[:12].upper(), CRC32=crc)
    job = do(**FILE)
    assert job.state == "done" and "its header (sshs_model_hash)" in job.summary and "Civitai's note beside it say" in job.summary, job
    assert job.facts["SHA256"] == sha256_of(mine) and job.facts["CRC32"] == crc.lower()
    assert job.facts["AutoV3"] == of_tensors(mine)[:12] and job.done_bytes == job.total_bytes == len(data)


@pytest.mark.parametrize(
    ("name", "wrong"), [("SHA256", "ab" * 32), ("AutoV1", "01234567"), ("AutoV3", "ab" * 6), ("CRC32", "FFFFFFFF"), ("BLAKE3", "cd" * 32)]
)
def test_civitais_note_of_another_file(do, mine: Path, name: str, wrong: str) -> None:
    note(mine, **{"SHA256": sha256_of(mine), name: wrong})
    job = do(**FILE)
    assert job.state == "failed" and f"is not what Civitai's note beside it says: {name} is" in job.error


def test_a_byte_that_was_changed(do, mine: Path, catalog: Catalog) -> None:
    """In a tensor's numbers: the header's own hash tells."""
    data = bytearray(mine.read_bytes())
    data[-1] ^= 1
    mine.write_bytes(data)
    job = do(**FILE)
    assert job.state == "failed" and "is not what its header (sshs_model_hash) says: AutoV3 is" in job.error
    assert "download it again" in job.error


def test_a_disk_that_gives_other_bytes_than_before(do, folder: Path, catalog: Catalog) -> None:
    """Size and time are the same, and an earlier reading found another sha256."""
    path = folder / "plain.safetensors"
    tensors = load_file(folder / "tiny-b.safetensors")
    save_file(tensors, path)
    catalog.refresh()
    catalog.hash(catalog.find("plain"))
    state, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    job = do(action="verify", kind="checkpoint", filename="plain.safetensors")
    assert job.state == "failed" and "an earlier reading of the same file" in job.error


def test_what_says_nothing_or_nonsense(do, folder: Path) -> None:
    """Broken notes and hashes that are none are passed over."""
    path = folder / "plain.safetensors"
    save_file(load_file(folder / "tiny-b.safetensors"), path, {"sshs_model_hash": "none"})
    for text in ("[" * 5000, "[]", '{"files": 3}', '{"files": [{"hashes": {"SHA256": 5, "BLAKE3": "x"}}, 7]}', "\x00"):
        path.with_suffix(".civitai.info").write_text(text)
        job = do(action="verify", kind="checkpoint", filename="plain.safetensors")
        assert job.state == "done" and "nothing says which hash it should have" in job.summary
    note(path, "quite another file.safetensors", SHA256="ab" * 32)
    path.with_suffix(".civitai.info").write_text(
        json.dumps({"files": [{"name": name, "hashes": {"SHA256": "ab" * 32}} for name in ("one.safetensors", "two.safetensors")]})
    )
    assert do(action="verify", kind="checkpoint", filename="plain.safetensors").state == "done"


def test_files_that_are_none(do, folder: Path, catalog: Catalog) -> None:
    whole = (folder / "tiny-b.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-10])
    (folder / "letter.safetensors").write_text("Dear reader, this is no model. " * 9)
    catalog.refresh()
    for name, said in (("cut", "cut off"), ("letter", "no safetensors file")):
        job = do(action="verify", kind="checkpoint", filename=f"{name}.safetensors")
        assert job.state == "failed" and said in job.error, job
    assert do(action="verify", kind="checkpoint", filename="tiny-a-copy.ckpt").state == "done"
    assert do(action="verify", kind="lora", filename="lin-pickle.pt").facts.keys() >= {"SHA256", "CRC32"}
