"""Headers of torch.save files: the same as torch's own, and nothing in them ever runs."""

import collections
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models.header import TensorInfo
from app.models.inert_pickle import MOST_OPERATIONS, read_pickle
from app.models.pickle_header import PICKLE_LIMIT_BYTES, read_pickle_header
from app.schema.errors import BadModelFile
from tests.support.model_files import torch_file, write_header, zeros


def refusal(path: Path) -> str:
    with pytest.raises(BadModelFile) as caught:
        read_pickle_header(path)
    return str(caught.value)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def table(legacy: bool) -> dict[str, Any]:
    weights = torch.zeros(6, 4)
    state = collections.OrderedDict(
        parameter=torch.nn.Parameter(torch.zeros(3, 4).half()),
        view=torch.zeros(5, dtype=torch.bfloat16)[1:],
        turned=weights.T,
        shared=weights[2:],
        number=torch.tensor(3),
        empty=torch.zeros(0, 3),
    )
    if not legacy:
        state["small"] = torch.zeros(2, 2).to(torch.float8_e4m3fn)
    state._metadata = {"version": 1}  # type: ignore[attr-defined]  (as a module's state_dict() has it)
    return {"state_dict": state, "epoch": 3, "loss": 0.5, "sizes": torch.Size([1]), "names": {"a"}, "on": True, "dtype": torch.float16}


@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_torch_itself(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(table(legacy), path, _use_new_zipfile_serialization=not legacy)
    header = read_pickle_header(path)
    loaded = torch.load(path, weights_only=True)["state_dict"]
    assert {name: info.shape for name, info in header.tensors.items()} == {name: tuple(value.shape) for name, value in loaded.items()}
    assert header.tensors["parameter"].dtype == "F16" and header.tensors["view"].dtype == "BF16" and header.tensors["number"].dtype == "I64"
    assert legacy or header.tensors["small"] == TensorInfo("F8_E4M3", (2, 2))
    assert (header.layout, header.metadata) == ("pickle", {})


def test_a_file_without_state_dict_is_its_own_table(tmp_path: Path) -> None:
    header = read_pickle_header(written(tmp_path / "flat.pt", torch_file({"a": zeros(2, 3), "note": "x", 7: zeros(1)})))
    assert header.tensors == {"a": TensorInfo("F16", (2, 3))}


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_named_and_not_run(tmp_path: Path, protocol: int) -> None:
    path, mark = tmp_path / "evil.ckpt", tmp_path / "was-run"
    torch.save({"state_dict": {"a": torch.zeros(2)}, "x": Evil(mark)}, path, pickle_protocol=protocol)
    assert refusal(path) == (
        f"The file asks for {os.system.__module__}.system, which is program code and not weights. "
        "Convert it to safetensors with a tool you trust; nothing from the file was run."
    )
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file would have run code elsewhere"


def test_a_whole_module_is_refused_by_its_class(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    assert "torch.nn.modules.linear.Linear" in refusal(tmp_path / "module.pt")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.", "builtins.eval"),
        (b"(X\x01\x00\x00\x001ios\nsystem\n.", "os.system"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", "os.system"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "torch._utils._rebuild_tensor_v2.__globals__"),
        (b"ccollections\nOrderedDict.fromkeys\n.", "collections.OrderedDict.fromkeys"),
    ],
)
def test_names_that_weights_do_not_need(content: bytes, name: str) -> None:
    with pytest.raises(BadModelFile, match=name.replace(".", r"\.")):
        read_pickle(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.",  # a class named through the memo
        b"\x82\x01.",  # a class by copyreg's registry
        b"(o.",
        b"\x80\x02}q\x00Pstorage\n.",
    ],
)
def test_operations_that_weights_do_not_need(content: bytes) -> None:
    with pytest.raises(BadModelFile, match="cannot be read without running it"):
        read_pickle(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"}",
        b"0.",
        b"h\x05.",
        b"t.",
        b"NN(R.",
        b"NNR.",
        b"NQ.",
        b"X\xff\xff\xff\x7fabc.",
        b"X\x01\x00\x00\x00\xff.",
        b"ctorch\nFloatStorage\n)R.",
        b"ccollections\nOrderedDict\n(]tR.",
        b"}(K\x01u.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.",
    ],
)
def test_damaged_pickles(content: bytes) -> None:
    with pytest.raises(BadModelFile, match=r"damaged|without running it"):
        read_pickle(io.BytesIO(content))


def test_traps_for_memory_and_stack_cost_nothing() -> None:
    """A memo number of four thousand million (Python's unpickler sets aside that many entries), and a key of a million tuples."""
    assert read_pickle(io.BytesIO(b"\x80\x02}r\xff\xff\xff\xff.")) == {}
    deep = b"\x80\x02})" + b"\x85" * 200_000 + b"Ns."
    assert read_pickle(io.BytesIO(deep)) == {}


def test_a_pickle_of_endless_operations_is_left_soon() -> None:
    stream = io.BytesIO(b"\x80\x02" + b"(" * (2 * MOST_OPERATIONS) + b".")
    with pytest.raises(BadModelFile, match="more than 1,000,000 operations, which are not read"):
        read_pickle(stream)
    assert stream.tell() <= MOST_OPERATIONS + 3


def test_the_short_pickles_of_an_old_file_are_short(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(4)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "a.pt").read_bytes()
    magic = whole[: whole.index(b".") + 1]
    assert "more than 10,000 operations" in refusal(written(tmp_path / "b.pt", magic + b"(" * 20_000 + whole[len(magic) :]))


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(BadModelFile, match=r"The file is damaged.*surrogates not allowed"):
        read_pickle(io.BytesIO(b"\x80\x02}X\x03\x00\x00\x00\xed\xa0\x80K\x01s."))


def storage(length: int, kind: bytes = b"FloatStorage") -> bytes:
    return b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ" + struct.pack("<i", length) + b"tQ"


def tensor(offset: int, shape: bytes, strides: bytes, length: int = 4) -> bytes:
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(length) + b"J" + struct.pack("<i", offset)
    return b"\x80\x02}X\x01\x00\x00\x00a" + rebuilt + shape + strides + b"\x89NtRs."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tensor(0, b"K\x04\x85", b"K\x01\x85"), None),
        (tensor(1, b"K\x04\x85", b"K\x01\x85"), "reaches beyond"),
        (tensor(0, b"K\x02\x85", b"K\x04\x85"), "reaches beyond"),
        (tensor(0, b"K\x05\x85", b"K\x01\x85", length=5), "reaches beyond"),
        (tensor(-1, b"K\x04\x85", b"K\x01\x85"), "impossible shape"),
        (tensor(0, b"K\x04\x85", b")"), "impossible shape"),
        (tensor(0, b"G\x00\x00\x00\x00\x00\x00\x00\x00\x85", b"K\x01\x85"), "impossible shape"),
        (tensor(0, b"(" + b"K\x01" * 65 + b"t", b"(" + b"K\x01" * 65 + b"t"), "impossible shape"),
        (tensor(0, b"K\x04\x85", b"K\x01\x85", length=-4), "unknown kind"),
    ],
)
def test_tensors_have_to_fit_their_storage(tmp_path: Path, content: bytes, says: str | None) -> None:
    path = zipped(tmp_path / "x.pt", {"x/data.pkl": content, "x/data/0": bytes(16), "x/version": b"3\n"})
    if says is None:
        assert read_pickle_header(path).tensors == {"a": TensorInfo("F32", (4,))}
    else:
        assert says in refusal(path)


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    content = tensor(0, b"K\x04\x85", b"K\x01\x85")
    assert "reaches beyond" in refusal(zipped(tmp_path / "x.pt", {"x/data.pkl": content}))


def test_truncated_downloads(tmp_path: Path) -> None:
    whole = torch_file({"state_dict": {"a": zeros(100, 100)}})
    assert "its table of contents is missing" in refusal(written(tmp_path / "a.ckpt", whole[:-100]))
    torch.save({"a": torch.zeros(1000)}, tmp_path / "b.ckpt", _use_new_zipfile_serialization=False)
    legacy = (tmp_path / "b.ckpt").read_bytes()
    assert "The file is cut off" in refusal(written(tmp_path / "b.ckpt", legacy[:-1000]))
    assert "damaged" in refusal(written(tmp_path / "b.ckpt", legacy[:100]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"<html>", "web page"),
        (b"hello", "a text file"),
        (pickle.dumps({"a": 1}), "a Python pickle of another kind"),
        (b"\x01\x02\x03", "something else or damaged"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refusal(written(tmp_path / "model.ckpt", content))


def test_a_renamed_safetensors_file(tmp_path: Path) -> None:
    assert "a safetensors file. Rename it to .safetensors." in refusal(write_header(tmp_path / "model.ckpt", {}))
    assert "cannot be read: No such file" in refusal(tmp_path / "gone.ckpt")


def test_zip_archives_that_torch_did_not_write(tmp_path: Path) -> None:
    data = torch_file({"a": zeros(4)})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert "unpack it first" in refusal(zipped(tmp_path / "a.pt", {"model.safetensors": b"x"}))
    assert "unpack it first" in refusal(zipped(tmp_path / "b.pt", {**members, "second/data.pkl": b"N."}))
    assert "compressed after" in refusal(zipped(tmp_path / "c.pt", members, zipfile.ZIP_DEFLATED))
    bomb = {"archive/data.pkl": b"N" * (PICKLE_LIMIT_BYTES + 1)}
    assert f"more than {PICKLE_LIMIT_BYTES:,} are not read" in refusal(zipped(tmp_path / "d.pt", bomb))


def test_a_zip_whose_table_of_contents_is_a_trap(tmp_path: Path) -> None:
    whole = bytearray(torch_file({"a": zeros(4)}))
    whole[-10:-6] = struct.pack("<I", 2**30)
    assert "table of contents has 1,073,741,824 bytes" in refusal(written(tmp_path / "a.pt", bytes(whole)))
    whole[-10:-6] = struct.pack("<I", 5)
    assert "The file is damaged" in refusal(written(tmp_path / "b.pt", bytes(whole)))


def test_a_zip_whose_names_are_no_text(tmp_path: Path) -> None:
    content = bytearray(torch_file({"a": zeros(4)}))
    place = content.index(b"PK\x01\x02")
    content[place + 8 : place + 10] = struct.pack("<H", 0x800)  # "the name is UTF-8"
    content[place + 46] = 0xFF
    assert "The file is damaged ('utf-8' codec can't decode byte 0xff" in refusal(written(tmp_path / "a.ckpt", bytes(content)))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), junk=st.binary(min_size=1, max_size=6), in_directory=st.booleans())
def test_a_damaged_zip_is_read_or_refused(tmp_path: Path, where: float, junk: bytes, in_directory: bool) -> None:
    content = bytearray(torch_file({"epoch": 1, "state_dict": {"a": zeros(2, 3), "b": zeros(1)}}))
    first = content.index(b"PK\x01\x02") if in_directory else 0
    start = first + int(where * (len(content) - first))
    content[start : start + len(junk)] = junk
    try:
        read_pickle_header(written(tmp_path / "a.ckpt", bytes(content)))
    except BadModelFile as error:
        assert str(error).endswith(".")


def test_a_file_that_holds_no_table(tmp_path: Path) -> None:
    assert "no table of weights" in refusal(written(tmp_path / "a.pt", torch_file([1, 2])))


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, 400), junk=st.binary(min_size=1, max_size=6))
def test_a_damaged_pickle_is_read_or_refused(start: int, junk: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(torch_file({"epoch": 1, "state_dict": {"a": zeros(2, 3), "b": zeros(1)}}))) as archive:
        content = bytearray(archive.read("archive/data.pkl"))
    content[start : start + len(junk)] = junk
    try:
        read_pickle(io.BytesIO(content))
    except BadModelFile as error:
        assert str(error).endswith(".")
