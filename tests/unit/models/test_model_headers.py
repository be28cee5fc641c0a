"""Headers of safetensors files: what is read, and the sentence for every kind of file that is none."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from app.models import EMBEDDED
from app.models.header import HEADER_LIMIT_BYTES, TensorInfo, read_safetensors_header
from app.schema.errors import BadModelFile
from tests.support.model_files import write_header
from tests.support.paths import ROOT

POCKET = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"


def refusal(path: Path) -> str:
    with pytest.raises(BadModelFile) as caught:
        read_safetensors_header(path)
    return str(caught.value)


def test_a_file_of_the_safetensors_library(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({"b": np.zeros((2, 3), np.float16), "a": np.zeros(4, np.float32), "n": np.array(3), "e": np.zeros((0, 2))}, path, {"k": "v"})
    header = read_safetensors_header(path)
    assert header.tensors == {
        "b": TensorInfo("F16", (2, 3)),
        "a": TensorInfo("F32", (4,)),
        "n": TensorInfo("I64", ()),
        "e": TensorInfo("F64", (0, 2)),
    }
    assert (header.metadata, header.layout) == ({"k": "v"}, "safetensors")


def test_the_embedded_checkpoint() -> None:
    header = read_safetensors_header(POCKET)
    assert header.tensors["model.diffusion_model.input_blocks.0.0.weight"] == TensorInfo("F16", (64, 4, 3, 3))
    assert header.tensors["alphas_cumprod"] == TensorInfo("F32", (1000,))
    assert header.metadata["darkroom.text_heads"] == "3"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
        (b"\xef\xbb\xbf\n <html lang='en'>", "web page"),
        (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "web page"),
        (b'{"error": "not found"}', "a text file"),
        (b'["abcdef{ }"]', "a text file"),
        (b"hello", "a text file"),
        (b"PK\x03\x04" + bytes(40), "zip archive"),
        (b"\x80\x02}q\x00.", "a PyTorch file"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (gzip.compress(b"x"), "packed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "a picture"),
        (bytes(5000), "empty but for zeros"),
        (b"\x01\x02\x03", "something else or damaged"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert says in refusal(path)


def test_a_truncated_download_says_how_much_is_there(tmp_path: Path) -> None:
    whole = POCKET.read_bytes()
    path = tmp_path / "part.safetensors"
    path.write_bytes(whole[: len(whole) // 2])
    assert "The file is cut off:" in refusal(path) and "Download it again." in refusal(path)
    path.write_bytes(whole[:1000])
    assert "cut off within its header, after 1,000 bytes" in refusal(path)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.safetensors") == "The file cannot be read: No such file or directory."
    assert "cannot be read" in refusal(tmp_path)


def test_a_header_over_the_limit_is_not_read(tmp_path: Path) -> None:
    assert f"more than {HEADER_LIMIT_BYTES:,} are not read" in refusal(
        write_header(tmp_path / "x.safetensors", {}, length=HEADER_LIMIT_BYTES + 1)
    )


ENTRY = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b'{"a": ', "header is damaged"),
        (b"{" + b"[" * 5, "header is damaged"),
        (b'{"a":' + b"[" * 200_000, "it is nested too deep"),
        (b'{"a": {"dtype": "F16"}, "a": {"dtype": "F16"}}', "stands twice"),
        (b"{\xff}", "it is no UTF-8 text"),
        ({"a": 3}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "shape": [-2]}}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "shape": [2.0]}}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "shape": [True]}}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "shape": [1] * 1000}}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "data_offsets": [0, 4, 5]}}, "damaged at tensor 'a'"),
        ({"a": {**ENTRY, "data_offsets": [4, 0]}}, "does not fit its shape"),
        ({"a": {**ENTRY, "data_offsets": [0, 3]}}, "does not fit its shape"),
        ({"a": {**ENTRY, "shape": [2**62, 2**62]}}, "does not fit its shape"),
        ({"a": {**ENTRY, "dtype": "Q4"}}, "number format 'Q4'"),
        ({"a": ENTRY, "b": {**ENTRY, "data_offsets": [2, 6]}}, "'b' overlaps another one"),
        ({"a": ENTRY, "b": ENTRY}, "'b' overlaps another one"),
        ({"a": {**ENTRY, "data_offsets": [4, 8]}}, "preceded by bytes that belong to none"),
        ({"__metadata__": {"a": 1}, "a": ENTRY}, "metadata is no table of texts"),
        ({"__metadata__": [1], "a": ENTRY}, "metadata is no table of texts"),
        ({"__metadata__": {"modelspec.title": "half \ud83d"}, "a": ENTRY}, "header is damaged"),
        ({"\udc00": ENTRY}, "header is damaged"),
        (b'{"__metadata__": {"a": "\xed\xa0\xbd"}}', "header is damaged"),
        ('{"a": 1}'.encode("utf-16-le"), "header is damaged"),
    ],
)
def test_damaged_headers(tmp_path: Path, header: object, says: str) -> None:
    assert says in refusal(write_header(tmp_path / "x.safetensors", header, bytes(64)))


def test_bytes_after_the_last_tensor_are_refused_as_the_library_does(tmp_path: Path) -> None:
    assert "60 bytes at its end belong to no tensor" in refusal(write_header(tmp_path / "x.safetensors", {"a": ENTRY}, bytes(64)))


@settings(max_examples=200, deadline=None)
@given(start=st.integers(0, 240), junk=st.binary(min_size=1, max_size=8))
def test_what_is_read_of_a_damaged_file_the_library_reads_too(tmp_path_factory: pytest.TempPathFactory, start: int, junk: bytes) -> None:
    header = {"__metadata__": {"a": "b"}, "x": ENTRY, "y": {**ENTRY, "data_offsets": [4, 8]}}
    text = json.dumps(header).encode()
    whole = bytearray(struct.pack("<Q", len(text)) + text + bytes(8))
    whole[start : start + len(junk)] = junk
    path = tmp_path_factory.mktemp("fuzz") / "file.safetensors"
    path.write_bytes(whole)
    try:
        found = read_safetensors_header(path)
    except BadModelFile as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    with safe_open(path, framework="np") as file:
        assert {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()} == {n: t.shape for n, t in found.tensors.items()}  # noqa: SIM118
        assert (file.metadata() or {}) == found.metadata
