"""Folders that diffusers and transformers saved: listed, recognised, loaded and converted as the single file they came from."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.conversion import AddedLora, BlockWeights, Conversion, Merge, convert, merge
from app.models import Catalog, ModelFile, read_facts
from app.models.diffusers_folder import state_of, weight_files
from app.networks import load_autoencoder, load_checkpoint
from app.schema.errors import BadModelFile
from app.schema.settings import ServerSettings
from tests.conftest import link_tree
from tests.support.diffusers_folders import save_folder, write_json

from .conftest import model_file
from .test_file_forms import answers

UNET = "diffusion_pytorch_model.safetensors"


def folder_file(folder: Path) -> ModelFile:
    """What the catalogue says of a folder."""
    return ModelFile(
        kind="checkpoint", path=folder, name=folder.name, filename=folder.name, **state_of(folder)._asdict(), sha256=None,
        facts=read_facts(folder), problem=None,
    )  # fmt: skip


def same_answers(one: ModelFile, other: ModelFile) -> None:
    first, second = (load_checkpoint(file, "cpu", torch.float32) for file in (one, other))
    for ours, theirs in zip(answers(first), answers(second), strict=True):
        assert torch.equal(ours, theirs)


@pytest.fixture(scope="session")
def saved(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny-a as a folder, whole."""
    return save_folder(model_file(checkpoints / "tiny-a.safetensors"), tmp_path_factory.mktemp("folders") / "tiny-a")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """The same to be broken."""
    return link_tree(saved, tmp_path / "models" / "Stable-diffusion" / "some v1.5")


@pytest.mark.parametrize("name", ["tiny-a", "tiny-v", "sd2-v", "sdxl-a", "sdxl-refiner"])
def test_a_folder_computes_as_its_file_and_so_does_the_file_made_from_it(checkpoints: Path, tmp_path: Path, name: str) -> None:
    original = model_file(checkpoints / f"{name}.safetensors")
    assert original.facts is not None
    folder = save_folder(original, tmp_path / name, shard="1MB")
    assert len(weight_files(folder)["unet"]) > 1  # in shards
    same_answers(folder_file(folder), original)
    made = tmp_path / "made.safetensors"
    convert(Conversion(source=folder, target=made))
    same_answers(model_file(made), original)
    old, new = load_file(original.path), load_file(made)
    assert set(new) - {"v_pred"} <= set(old)
    assert all(torch.equal(new[key], old[key]) for key in set(new) & set(old))
    assert all(key.endswith((".logit_scale", ".text_projection")) for key in set(old) - set(new))  # which nothing here looks at
    assert read_facts(made).prediction == original.facts.prediction


def test_what_only_the_configurations_say_goes_into_the_single_file(checkpoints: Path, tmp_path: Path) -> None:
    scheduler = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "beta_start": 0.0008, "beta_end": 0.0125}
    folder = save_folder(model_file(checkpoints / "sdxl-a.safetensors"), tmp_path / "sdxl", scheduler=scheduler)
    facts = read_facts(folder)
    assert (facts.prediction, facts.zero_terminal_snr, facts.linear_start, facts.linear_end) == ("v", True, 0.0008, 0.0125)
    convert(Conversion(source=folder, target=tmp_path / "made.safetensors"))
    made = read_facts(tmp_path / "made.safetensors")
    assert {"v_pred", "ztsnr"} <= load_file(tmp_path / "made.safetensors").keys()
    for field in ("prediction", "zero_terminal_snr", "linear_start", "linear_end", "norm_groups", "native_size_px", "autoencoder"):
        assert getattr(made, field) == getattr(facts, field), field


def test_the_layer_that_diffusers_leaves_out_of_sd2(checkpoints: Path, tmp_path: Path) -> None:
    """SD2's text encoder has 24 layers in a single file and 23 in a folder, and the last but one is taken of both."""
    random = torch.Generator().manual_seed(4)
    tensors = load_file(checkpoints / "sd2-a.safetensors")
    layer = "cond_stage_model.model.transformer.resblocks."
    first = {key.removeprefix(f"{layer}0."): tensor for key, tensor in tensors.items() if key.startswith(f"{layer}0.")}
    for number in range(24):
        noise = {key: torch.randn(tensor.shape, generator=random) / 20 for key, tensor in first.items()}
        tensors |= {f"{layer}{number}.{key}": (tensor + noise[key]).half() for key, tensor in first.items()}
    hints = {"darkroom.text_heads": "4", "darkroom.num_head_channels": "16", "darkroom.native_size": "64"}
    save_file(tensors, tmp_path / "deep.safetensors", {**hints, "modelspec.prediction_type": "epsilon"})
    deep = model_file(tmp_path / "deep.safetensors")
    folder = save_folder(deep, tmp_path / "deep")
    weights = folder / "text_encoder" / "model.safetensors"
    save_file({key: tensor for key, tensor in load_file(weights).items() if ".layers.23." not in key}, weights)
    assert read_facts(folder).texts[0].layers == 23
    same_answers(folder_file(folder), deep)
    convert(Conversion(source=folder, target=tmp_path / "made.safetensors"))
    assert read_facts(tmp_path / "made.safetensors").texts[0].layers == 24
    same_answers(model_file(tmp_path / "made.safetensors"), deep)


def test_fp16_variants_and_pickles(checkpoints: Path, tmp_path: Path) -> None:
    original = model_file(checkpoints / "tiny-a.safetensors")
    half = save_folder(original, tmp_path / "half", variant="fp16")
    assert {file.name for files in weight_files(half).values() for file in files} == {
        "diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors"
    }  # fmt: skip
    same_answers(folder_file(half), original)
    shards = save_folder(original, tmp_path / "shards", variant="fp16", shard="1MB")
    assert all(".fp16-" in file.name for file in weight_files(shards)["unet"])
    same_answers(folder_file(shards), original)
    pickled = save_folder(original, tmp_path / "pickled", safe_serialization=False)
    assert weight_files(pickled)["unet"] == (pickled / "unet" / "diffusion_pytorch_model.bin",)
    same_answers(folder_file(pickled), original)


def test_of_several_versions_one_is_read(folder: Path) -> None:
    unet = folder / "unet"
    for name in ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.non_ema.safetensors", "openvino_model.bin", "random.safetensors"):
        (unet / name).write_bytes(b"something else")
    shutil.copy(unet / UNET, unet / "diffusion_pytorch_model.fp16.safetensors")
    assert weight_files(folder)["unet"] == (unet / UNET,)
    (unet / UNET).unlink()
    assert weight_files(folder)["unet"] == (unet / "diffusion_pytorch_model.fp16.safetensors",)
    assert read_facts(folder).family == "sd1"


def test_the_catalogue_lists_a_folder_once_and_by_its_whole_name(folder: Path, tmp_path: Path) -> None:
    (folder / "safety_checker").mkdir()
    shutil.copy(folder / "vae" / UNET, folder / "safety_checker" / "model.safetensors")
    link = folder.with_name("linked")
    link.symlink_to(folder, target_is_directory=True)
    catalog = Catalog(ServerSettings(data_dir=tmp_path))
    try:
        catalog.refresh()
        assert [file.filename for file in catalog.checkpoints()] == ["linked", "some v1.5"]
        file = catalog.find("some v1.5")
        assert file.name == "some v1.5" and file.problem is None and file.is_current()
        lines = "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
            for path in sorted(folder.rglob("*.safetensors")) if "safety" not in str(path)
        )  # fmt: skip
        assert catalog.hash(file) == hashlib.sha256(lines.encode()).hexdigest()
        assert catalog.find(f"some v1.5 [{catalog.hash(file)[:10]}]").short_hash == catalog.hash(file)[:10]
        time = file.mtime_ns + 10**9
        os.utime(folder / "vae" / UNET, ns=(time, time))
        assert not file.is_current()
    finally:
        catalog.close()


def test_folders_take_part_in_merges(checkpoints: Path, folder: Path, tmp_path: Path) -> None:
    loras = tuple(AddedLora(checkpoints.parent / "Lora" / f"{name}.safetensors", 0.5) for name in ("lin", "te-only"))
    for name, primary in (("files", checkpoints / "tiny-a.safetensors"), ("mixed", folder)):
        target = tmp_path / f"{name}.safetensors"
        quarter = BlockWeights(0.25)
        merge(Merge(primary=primary, secondary=checkpoints / "tiny-b.safetensors", target=target, weights=quarter, loras=loras))
    files, mixed = load_file(tmp_path / "files.safetensors"), load_file(tmp_path / "mixed.safetensors")
    assert files.keys() == mixed.keys() and all(torch.equal(files[key], mixed[key]) for key in files)


def test_a_vae_of_diffusers_stands_in_and_is_baked_in(checkpoints: Path, tmp_path: Path) -> None:
    other = checkpoints / "tiny-b.safetensors"
    vae = save_folder(model_file(other), tmp_path / "other") / "vae" / UNET
    facts = read_facts(checkpoints / "tiny-a.safetensors")
    ours, theirs = (load_autoencoder(path, facts, "cpu", torch.float32).state_dict() for path in (vae, other))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], weight) for name, weight in theirs.items())
    for name, path in (("ours", vae), ("theirs", other)):
        convert(Conversion(source=checkpoints / "tiny-a.safetensors", target=tmp_path / f"{name}.safetensors", vae=path))
    made, wanted = load_file(tmp_path / "ours.safetensors"), load_file(tmp_path / "theirs.safetensors")
    assert made.keys() == wanted.keys() and all(torch.equal(made[name], weight) for name, weight in wanted.items())


def _without(path: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()

    return remove


def _text(path: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        (folder / path).write_text(content)

    return write


def _shards(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "unet" / UNET).rename(folder / "unet" / names[0])
        write_json(folder / "unet" / f"{UNET}.index.json", {"weight_map": {str(i): name for i, name in enumerate(names)}})

    return write


def _said(path: str, **said: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        table = json.loads((folder / path).read_text())
        (folder / path).unlink()  # another file: the one that is linked is for all tests
        write_json(folder / path, {**table, **said})

    return change


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        (_without("unet"), r"its folder unet has no weights"),
        (_without("text_encoder"), r"has no text encoder: it is a part of one"),
        (_without("text_encoder/model.safetensors"), r"has no text encoder: it is a part of one"),
        (_text("model_index.json", "{"), r"Its model_index\.json is damaged"),
        (_text("unet/config.json", "[1]"), r"Its unet/config\.json is damaged: it is no table"),
        (_text("scheduler/scheduler_config.json", "\x00"), r"Its scheduler/scheduler_config\.json is damaged"),
        (_text(f"unet/{UNET}", "<!doctype html>"), rf"Its unet/{UNET} cannot be read\. .*a web page"),
        (_shards("a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"), r"unet/a-00002-of-00002\.safetensors is missing"),
        (_shards("a-00001-of-00002.safetensors", "../../secret.safetensors"), r"index\.json is damaged: it names no files"),
        (_shards("a-00001-of-00001.safetensors", ""), r"It is not complete: unet/ is missing"),
        (_said("scheduler/scheduler_config.json", prediction_type="sample"), r"says prediction_type is 'sample'"),
        (_said("scheduler/scheduler_config.json", beta_schedule="linear"), r"says beta_schedule is 'linear'"),
        (_said("scheduler/scheduler_config.json", _class_name="EDMEulerScheduler"), r"a noise schedule \(EDMEulerScheduler\)"),
        (_said("unet/config.json", time_cond_proj_dim=256), r"time_cond_proj_dim is '256': a variant"),
        (_said("unet/config.json", attention_head_dim="many"), r"attention_head_dim is 'many'; it has to be a whole number"),
        (_said("unet/config.json", attention_head_dim=[8, 8, 1, 8]), r"gives each level another width of heads"),
        (_said("vae/config.json", norm_num_groups=2), r"normalises in \d+ groups and its vae in 2"),
        (_said("model_index.json", unet=[None, None], _class_name="FluxPipeline"), None),
    ],
)
def test_a_folder_that_cannot_be_used_says_why_and_hides_no_other(folder: Path, tmp_path: Path, breaks, sentence: str | None) -> None:
    breaks(folder)
    if sentence is None:  # the weights say otherwise than the index, and they count
        assert read_facts(folder).family == "sd1"
        return
    with pytest.raises(BadModelFile, match=sentence):
        read_facts(folder)
    catalog = Catalog(ServerSettings(data_dir=tmp_path))
    try:
        (file,) = catalog.checkpoints()
        assert file.problem is not None and file.problem.count("\n") == 0
    finally:
        catalog.close()


def test_a_folder_of_another_family_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "unet")
    _said("model_index.json", unet=[None, None], _class_name="FluxPipeline")(folder)
    with pytest.raises(BadModelFile, match="diffusers' FluxPipeline, a family that Darkroom does not load yet"):
        read_facts(folder)


def test_a_folder_without_vae_draws_with_another(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    assert read_facts(folder).vae_to_get is not None
    assert load_checkpoint(folder_file(folder), "cpu", torch.float32).nbytes > 0
