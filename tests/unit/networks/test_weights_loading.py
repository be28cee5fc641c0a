"""From files to networks: containers, layouts, broken and hostile files, and what a load costs."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.models import ModelFile
from app.networks import Checkpoint, load_checkpoint, tensors
from app.schema.errors import BadModelFile

from .conftest import model_file


def load(file: ModelFile) -> Checkpoint:
    return load_checkpoint(file, "cpu", torch.float32)


def answers(checkpoint: Checkpoint) -> list[Tensor]:
    random = torch.Generator().manual_seed(9)
    x, context = torch.randn(1, 4, 8, 8, generator=random), torch.randn(1, 77, 64, generator=random)
    images = torch.rand(1, 3, 64, 64, generator=random) * 2 - 1
    ids = torch.full((1, 77), 49407)
    denoised = checkpoint.denoise(x, torch.tensor([2.0]), context)
    return [denoised, checkpoint.decode(x), checkpoint.encode_image(images), checkpoint.encode_text(ids).tokens]


def assert_same_networks(one: Checkpoint, other: Checkpoint) -> None:
    assert all(torch.equal(a, b) for a, b in zip(answers(one), answers(other), strict=True))


@pytest.mark.parametrize("band", [tensors.MAPPED_BYTES, 2_000_000])
def test_a_pickle_holds_the_same_networks(checkpoints: Path, tiny_a: Checkpoint, monkeypatch: pytest.MonkeyPatch, band: int) -> None:
    """Also when the file has to be mapped many times over."""
    monkeypatch.setattr(tensors, "MAPPED_BYTES", band)
    assert_same_networks(load(model_file(checkpoints / "tiny-a-copy.ckpt")), tiny_a)


def test_a_safetensors_file_mapped_in_pieces(checkpoints: Path, tiny_a: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "MAPPED_BYTES", 500_000)
    assert_same_networks(load(model_file(checkpoints / "tiny-a.safetensors")), tiny_a)


def test_every_wanted_tensor_is_given_once_in_file_order(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoints / "tiny-a.safetensors"
    monkeypatch.setattr(tensors, "MAPPED_BYTES", 200_000)
    whole = load_file(path)
    wanted = {name for name in whole if name.startswith("first_stage_model.")}
    given = [(name, tensor.clone()) for name, tensor in tensors.TensorFile(path).stream(wanted)]
    offsets = list(tensors.TensorFile(path).shapes)
    assert [name for name, _ in given] == [name for name in offsets if name in wanted]
    assert all(torch.equal(tensor, whole[name]) for name, tensor in given)


def test_averaged_weights_are_left_alone(checkpoints: Path, tmp_path: Path, tiny_a: Checkpoint) -> None:
    """A training checkpoint's EMA copies and counters: not read, not in the way."""
    state = load_file(checkpoints / "tiny-a.safetensors")
    extra = {f"model_ema.{k.removeprefix('model.').replace('.', '')}": torch.zeros_like(t) for k, t in state.items() if "diffusion" in k}
    path = tmp_path / "ema.safetensors"
    save_file({**state, **extra, "model_ema.num_updates": torch.tensor(7)}, path)
    facts = tiny_a.facts
    assert_same_networks(load(replace(model_file(path), facts=facts)), tiny_a)


def test_linear_attention_and_the_old_text_prefix_are_understood(checkpoints: Path, tmp_path: Path, tiny_a: Checkpoint) -> None:
    """Some programs write the autoencoder's attention as linear layers, and text encoders without `text_model`."""
    state = load_file(checkpoints / "tiny-a.safetensors")
    changed = {
        name.replace("transformer.text_model.", "transformer."): t.flatten(1) if ".attn_1." in name and t.ndim == 4 else t
        for name, t in state.items()
    }
    assert sum(t.shape != changed[n].shape for n, t in state.items() if n in changed) == 8  # four layers on either side
    path = tmp_path / "other.safetensors"
    with safe_open(checkpoints / "tiny-a.safetensors", "pt") as file:
        save_file(changed, path, file.metadata())
    assert_same_networks(load(model_file(path)), tiny_a)


def test_old_pickles_without_a_zip_container(checkpoints: Path, tmp_path: Path, tiny_a: Checkpoint) -> None:
    state = load_file(checkpoints / "tiny-a.safetensors")
    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=False)
    assert_same_networks(load(replace(model_file(checkpoints / "tiny-a.safetensors"), path=path)), tiny_a)


def test_progress_rises_to_one(checkpoints: Path) -> None:
    heard: list[float] = []
    load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float32, heard.append)
    assert heard == sorted(heard) and heard[-1] == 1.0 and len(heard) > 100


def test_loading_under_inference_mode(checkpoints: Path, tiny_a: Checkpoint) -> None:
    with torch.inference_mode():
        inside = load(model_file(checkpoints / "tiny-a.safetensors"))
    assert_same_networks(inside, tiny_a)


def test_weights_do_not_follow_a_file_that_changes(checkpoints: Path, tmp_path: Path, tiny_a: Checkpoint) -> None:
    """float32 files need no conversion and must be copied all the same: a mapping would change or break with the file."""
    path = tmp_path / "changing.safetensors"
    save_file({name: t.float() if t.is_floating_point() else t for name, t in load_file(checkpoints / "tiny-a.safetensors").items()}, path)
    loaded = load(replace(model_file(checkpoints / "tiny-a.safetensors"), path=path))
    with path.open("r+b") as file:
        file.seek(200_000)
        file.write(bytes(os.path.getsize(path) - 200_000))  # noqa: PTH202
    assert_same_networks(loaded, tiny_a)


def test_unload_frees_the_weights(checkpoints: Path) -> None:
    loaded = load(model_file(checkpoints / "tiny-a.safetensors"))
    assert loaded.nbytes > 30_000_000
    loaded.unload()
    assert loaded.nbytes == 0


def test_moving_keeps_the_networks(checkpoints: Path, tiny_a: Checkpoint) -> None:
    loaded = load(model_file(checkpoints / "tiny-a.safetensors"))
    loaded.to("cpu")
    assert_same_networks(loaded, tiny_a)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from Linux' /proc")
def test_mapped_pages_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over 64 MiB, mapped 4 MiB at a time, never has half of it in memory; mapped at once it has nearly all."""
    path = tmp_path / "big.safetensors"
    save_file({f"t{i:02}": torch.full((2**20,), i, dtype=torch.uint8) for i in range(64)}, path)

    def most_resident() -> int:
        before, most = resident_file_bytes(), 0
        for _, tensor in tensors.TensorFile(path).stream([f"t{i:02}" for i in range(64)]):
            assert int(tensor.sum()) == int(tensor[0]) * 2**20
            most = max(most, resident_file_bytes() - before)
        return most

    monkeypatch.setattr(tensors, "MAPPED_BYTES", 4 * 2**20)
    assert most_resident() < 32 * 2**20
    monkeypatch.setattr(tensors, "MAPPED_BYTES", 2**30)
    assert most_resident() > 48 * 2**20


def resident_file_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssFile")))


# ---------------------------------------------------------------- files that are not what they should be
class Evil:
    """Unpickled without care, makes a folder `ran` beside the file."""

    def __init__(self, file: Path) -> None:
        self.trace = str(file.with_name("ran"))

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.trace,)


def evil(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "hook": Evil(path)}, path)


def lightning(path: Path) -> None:
    """What training frameworks leave beside the weights: an instance of a class of theirs."""
    with zipfile.ZipFile(path, "w") as archive:
        code = b"\x80\x02cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n."
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/version", "3\n")


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil(path), protocol=2))


@pytest.mark.parametrize("make", [evil, lightning, plain_pickle])
def test_a_pickle_that_wants_code_is_refused(tiny_a: Checkpoint, checkpoints: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "wants-code.ckpt"
    make(path)
    file = replace(model_file(checkpoints / "tiny-a.safetensors"), path=path)
    with pytest.raises(BadModelFile, match=r"wants-code\.ckpt asks for [\w.]+, which is program code.*safetensors"):
        load(file)
    assert not (tmp_path / "ran").exists()


def test_the_hostile_file_is_hostile(tmp_path: Path) -> None:
    plain_pickle(tmp_path / "wants-code.ckpt")
    pickle.loads((tmp_path / "wants-code.ckpt").read_bytes())
    assert (tmp_path / "ran").exists()


def half_of(path: Path, source: Path) -> None:
    path.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.ckpt", b"this is a text file\n" * 50),
        ("empty.ckpt", b""),
        ("list.ckpt", saved([torch.zeros(1)])),
        ("tensors-missing.ckpt", saved({"state_dict": {"a": torch.zeros(1)}})),
        ("text.safetensors", b"this is a text file\n" * 50),
        ("empty.safetensors", b""),
    ],
)
def test_something_else_is_refused_with_a_sentence(checkpoints: Path, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match=f"^{name} .*[.]$"):
        load(replace(model_file(checkpoints / "tiny-a.safetensors"), path=path, filename=name))


@pytest.mark.parametrize("name", ["tiny-a.safetensors", "tiny-a-copy.ckpt"])
def test_a_truncated_file_is_refused(checkpoints: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    half_of(path, checkpoints / name)
    with pytest.raises(BadModelFile, match=f"{name} is damaged or no .*Download it again"):
        load(replace(model_file(checkpoints / name), path=path))


def test_a_file_that_is_gone_or_was_never_recognised(checkpoints: Path, tmp_path: Path) -> None:
    known = model_file(checkpoints / "tiny-a.safetensors")
    with pytest.raises(BadModelFile, match=r"gone\.safetensors is no longer there"):
        load(replace(known, path=tmp_path / "gone.safetensors"))
    with pytest.raises(BadModelFile, match="It is a picture"):
        load(replace(known, facts=None, problem="It is a picture."))


def test_a_missing_tensor_and_one_of_another_size_are_named(checkpoints: Path, tmp_path: Path) -> None:
    known = model_file(checkpoints / "tiny-a.safetensors")
    state = load_file(known.path)
    name = "first_stage_model.decoder.mid.attn_1.q.weight"
    path = tmp_path / "wrong.safetensors"
    save_file({n: t for n, t in state.items() if n != name}, path)
    with pytest.raises(BadModelFile, match=f"lacks {name}"):
        load(replace(known, path=path))
    save_file({**state, name: torch.zeros(64, 32, 1, 1)}, path)
    with pytest.raises(BadModelFile, match=f"has {name} in the size 64x32x1x1 instead of 64x64"):
        load(replace(known, path=path))


@pytest.mark.parametrize("change", ["cut", "other"])
def test_a_file_that_is_rewritten_while_it_is_read_is_refused_with_a_sentence(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(tensors, "MAPPED_BYTES", 1)  # mapped anew for each tensor
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({name: torch.ones(64) for name in "abc"}, path)
    save_file({name: torch.ones(32) for name in "abc"}, other)
    source = tensors.TensorFile(path)
    with pytest.raises(BadModelFile, match=r"a\.safetensors changed while it was read"):
        for _ in source.stream("abc"):
            if change == "cut":
                path.write_bytes(path.read_bytes()[:20])
            else:
                path.write_bytes(other.read_bytes())
