"""Conversions and merges against the same calculation in torch, on small whole checkpoints."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.conversion import BlockWeights, Conversion, Merge, convert, merge, parse_weights
from app.conversion.convert import averaged_name
from app.conversion.source import Source
from app.conversion.writer import CHUNK_NUMBERS, CannotWrite
from app.models import Catalog
from app.models.hashes import autov1_of
from app.models.reading import read_facts
from app.networks import load_checkpoint
from app.schema.errors import BadModelFile, DarkroomError, InvalidParams
from app.schema.settings import ServerSettings
from tests.support.paths import ROOT

DENOISER = "model.diffusion_model."
VAE = "first_stage_model."


@pytest.fixture
def one(tiny_data: Path) -> Path:
    return tiny_data / "models" / "Stable-diffusion" / "tiny-a.safetensors"


@pytest.fixture
def other(tiny_data: Path) -> Path:
    return tiny_data / "models" / "Stable-diffusion" / "tiny-b.safetensors"


def is_denoiser(name: str) -> bool:
    return name.startswith(DENOISER)


@pytest.mark.parametrize(("numbers", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_another_number_format(one: Path, tmp_path: Path, numbers, dtype: torch.dtype) -> None:
    convert(Conversion(source=one, target=tmp_path / "new.safetensors", numbers=numbers))
    old, new = load_file(one), load_file(tmp_path / "new.safetensors")
    assert old.keys() == new.keys()
    for name, tensor in old.items():
        wanted = tensor.to(dtype) if tensor.is_floating_point() else tensor
        assert new[name].dtype == wanted.dtype and torch.equal(new[name], wanted), name


def test_eight_bits_are_for_the_denoiser(one: Path, tmp_path: Path) -> None:
    convert(Conversion(source=one, target=tmp_path / "new.safetensors", numbers="fp8"))
    for name, tensor in load_file(tmp_path / "new.safetensors").items():
        if tensor.is_floating_point():
            assert tensor.dtype == (torch.float8_e4m3fn if is_denoiser(name) else torch.float16), name


def test_a_converted_checkpoint_is_listed_and_loads(one: Path, tiny_data: Path) -> None:
    convert(Conversion(source=one, target=one.with_name("half.safetensors"), numbers="fp16"))
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    catalog.refresh()
    file = catalog.find("half")
    assert file.problem is None and file.facts is not None and file.facts.storage == "fp16"
    assert load_checkpoint(file, "cpu", torch.float32).nbytes > 0
    catalog.close()


def test_training_leftovers_and_averages(one: Path, tmp_path: Path) -> None:
    plain = load_file(one)
    averages = {averaged_name(name): tensor + 1 for name, tensor in plain.items() if is_denoiser(name)}
    whole = tmp_path / "training.safetensors"
    save_file({**plain, **averages, "model_ema.decay": torch.tensor(0.9), "optimizer.step": torch.zeros(3)}, whole)

    def after(averaged) -> dict[str, torch.Tensor]:
        convert(Conversion(source=whole, target=tmp_path / "new.safetensors", averaged=averaged, replace=True))
        return load_file(tmp_path / "new.safetensors")

    assert after("drop").keys() == plain.keys()
    assert after("keep").keys() == plain.keys() | averages.keys() | {"model_ema.decay"}
    used = after("use")
    assert used.keys() == plain.keys()
    assert all(torch.equal(used[name], plain[name] + (1 if is_denoiser(name) else 0)) for name in plain)
    with pytest.raises(BadModelFile, match="no averaged weights"):
        convert(Conversion(source=one, target=tmp_path / "none.safetensors", averaged="use"))


def test_another_vae_is_baked_in(one: Path, other: Path, tmp_path: Path) -> None:
    theirs = {name.removeprefix(VAE): tensor for name, tensor in load_file(other).items() if name.startswith(VAE)}
    save_file({**theirs, "loss.logvar": torch.zeros(1)}, tmp_path / "some.vae.safetensors")
    convert(Conversion(source=one, target=tmp_path / "new.safetensors", vae=tmp_path / "some.vae.safetensors"))
    old, new = load_file(one), load_file(tmp_path / "new.safetensors")
    assert old.keys() == new.keys()
    for name, tensor in new.items():
        assert torch.equal(tensor, theirs[name.removeprefix(VAE)] if name.startswith(VAE) else old[name]), name
    save_file({name: tensor[:1].clone() for name, tensor in theirs.items()}, tmp_path / "wrong.vae.safetensors")
    with pytest.raises(BadModelFile, match="VAE of another kind"):
        convert(Conversion(source=one, target=tmp_path / "not.safetensors", vae=tmp_path / "wrong.vae.safetensors"))
    assert not (tmp_path / "not.safetensors").exists()


def test_a_pickle_becomes_safetensors(one: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": load_file(one), "epoch": 3}, tmp_path / "old.ckpt")
    convert(Conversion(source=tmp_path / "old.ckpt", target=tmp_path / "new.safetensors"))
    old, new = load_file(one), load_file(tmp_path / "new.safetensors")
    assert old.keys() == new.keys() and all(torch.equal(new[name], tensor) for name, tensor in old.items())


def test_a_weighted_sum_is_torchs(one: Path, other: Path, tmp_path: Path) -> None:
    merge(Merge(primary=one, secondary=other, target=tmp_path / "new.safetensors", weights=BlockWeights(0.25)))
    a, b, new = load_file(one), load_file(other), load_file(tmp_path / "new.safetensors")
    assert new.keys() == a.keys()
    for name, tensor in a.items():
        mixed = (tensor.float() * 0.75 + b[name].float() * 0.25).to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(new[name], mixed), name
    with safe_open(tmp_path / "new.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["sd_merge_recipe"])
    assert (recipe["models"], recipe["interp_method"], recipe["multiplier"]) == (["tiny-a", "tiny-b"], "Weighted sum", 0.25)


def test_a_mixture_of_mixtures_names_all_that_it_came_from(one: Path, other: Path, tmp_path: Path) -> None:
    new, last = tmp_path / "new.safetensors", tmp_path / "last.safetensors"
    hashes = {one: "1" * 64, other: "2" * 64, new: "3" * 64}
    merge(Merge(primary=one, secondary=other, target=new, sha256s=hashes))
    merge(Merge(primary=other, secondary=new, target=last, sha256s=hashes))
    told = {path: json.loads(Source(path).header.metadata["sd_merge_models"]) for path in (new, last)}
    assert list(told[new]) == ["1" * 64, "2" * 64]
    assert told[new]["1" * 64] == {"name": "tiny-a.safetensors", "legacy_hash": autov1_of(one), "sd_merge_recipe": None}
    assert set(told[last]) == set(hashes.values())
    assert told[last]["3" * 64]["sd_merge_recipe"]["models"] == ["tiny-a", "tiny-b"]


@pytest.mark.parametrize("said", ["", "no json", "[1]", "[" * 5000, "null", '"' + "x" * 100])
def test_a_damaged_history_does_not_stop_a_merge(one: Path, other: Path, tmp_path: Path, said: str) -> None:
    save_file(load_file(one), tmp_path / "odd.safetensors", {"sd_merge_models": said, "sd_merge_recipe": said})
    merge(Merge(primary=tmp_path / "odd.safetensors", secondary=other, target=tmp_path / "new.safetensors", sha256s={other: "2" * 64}))
    assert list(json.loads(Source(tmp_path / "new.safetensors").header.metadata["sd_merge_models"])) == ["2" * 64]


def test_an_added_difference_is_torchs_and_turns_a_checkpoint_into_an_inpainting_one(one: Path, other: Path, tmp_path: Path) -> None:
    """A: inpainting; B: a person's own; C: what both came from. The mask's channels stay A's."""
    a, b, c = load_file(one), load_file(other), {name: tensor * 0.5 for name, tensor in load_file(other).items()}
    first = f"{DENOISER}input_blocks.0.0.weight"
    a[first] = torch.randn(a[first].shape[0], 9, 3, 3).to(a[first].dtype)
    save_file(a, tmp_path / "a.safetensors")
    save_file(c, tmp_path / "c.safetensors")
    files = {"primary": tmp_path / "a.safetensors", "secondary": other, "tertiary": tmp_path / "c.safetensors"}
    merge(Merge(**files, target=tmp_path / "new.safetensors", method="Add difference", weights=BlockWeights(1.0)))
    new = load_file(tmp_path / "new.safetensors")
    for name, tensor in a.items():
        if not tensor.is_floating_point():
            continue
        difference = b[name].float() - c[name].float()
        if name == first:
            assert torch.equal(new[name][:, 4:], tensor[:, 4:])
            assert torch.equal(new[name][:, :4], (tensor[:, :4].float() + difference).to(tensor.dtype))
        else:
            assert torch.equal(new[name], (tensor.float() + difference).to(tensor.dtype)), name


def test_what_says_how_a_checkpoint_was_trained_stays(one: Path, other: Path, tmp_path: Path) -> None:
    """Markers in the file, and what only a yaml beside it said."""
    marked = tmp_path / "marked.safetensors"
    save_file({**load_file(one), "v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, marked)
    convert(Conversion(source=marked, target=tmp_path / "new.safetensors"))
    merge(Merge(primary=marked, secondary=other, target=tmp_path / "mixed.safetensors"))
    for made in ("new", "mixed"):
        assert {"v_pred", "ztsnr"} <= load_file(tmp_path / f"{made}.safetensors").keys()
    with safe_open(one, "pt") as file:
        said = {name: text for name, text in file.metadata().items() if name != "modelspec.prediction_type"}
    save_file(load_file(one), tmp_path / "yaml.safetensors", said)
    (tmp_path / "yaml.yaml").write_text("model: {params: {parameterization: v}}")
    before = read_facts(tmp_path / "yaml.safetensors")
    convert(Conversion(source=tmp_path / "yaml.safetensors", target=tmp_path / "elsewhere.safetensors"))
    assert before.prediction == read_facts(tmp_path / "elsewhere.safetensors").prediction == "v"


def test_a_checkpoint_gives_its_vae_and_no_more(one: Path, other: Path, tmp_path: Path) -> None:
    merge(Merge(primary=one, method="No interpolation", vae=other, target=tmp_path / "new.safetensors"))
    a, b, new = load_file(one), load_file(other), load_file(tmp_path / "new.safetensors")
    assert new.keys() == a.keys()
    assert all(torch.equal(tensor, (b if name.startswith(VAE) else a)[name]) for name, tensor in new.items())


def test_three_files_of_two_kinds_are_refused(one: Path, other: Path, tmp_path: Path) -> None:
    first = f"{DENOISER}input_blocks.0.0.weight"
    tensors = load_file(one)
    tensors[first] = torch.randn(tensors[first].shape[0], 9, 3, 3).to(tensors[first].dtype)
    save_file(tensors, tmp_path / "nine.safetensors")
    files = {"primary": tmp_path / "nine.safetensors", "secondary": tmp_path / "nine.safetensors", "tertiary": other}
    with pytest.raises(BadModelFile, match="does not fit"):
        merge(Merge(**files, method="Add difference", target=tmp_path / "new.safetensors"))


def test_weights_of_blocks(one: Path, other: Path, tmp_path: Path) -> None:
    weights = parse_weights(0.5, ",".join(["0"] * 12 + ["1"] + ["0.25"] * 12))
    a, b = load_file(one), load_file(other)
    merge(Merge(primary=one, secondary=other, target=tmp_path / "new.safetensors", weights=weights))
    new = load_file(tmp_path / "new.safetensors")
    shares = {"input_blocks.1.0.": 0.0, "middle_block.0.": 1.0, "output_blocks.2.0.": 0.25, "time_embed.0.": 0.5}
    for block, share in shares.items():
        names = [name for name in a if name.startswith(DENOISER + block)]
        assert names
        for name in names:
            assert torch.equal(new[name], (a[name].float() * (1 - share) + b[name].float() * share).to(a[name].dtype)), name


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "a,b",
        "1,2,3",
        "a" + ",0" * 24,
        "," * 24,
        ",".join(["0"] * 500),
        *(",".join([one] * 25) for one in ("99", "nan", "inf", "1e999", "1_0", "٣", "0x1", "1 0", "")),
    ],
)
def test_weights_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParams):
        parse_weights(0.5, text)


def test_weights_with_a_base() -> None:
    assert parse_weights(0.5, ",".join(["0.1"] + ["0.2"] * 25)) == BlockWeights(0.1, (0.2,) * 25)
    with pytest.raises(InvalidParams, match="IN11"):
        parse_weights(0.5, ",".join(["0.2"] * 19)).of(f"{DENOISER}input_blocks.11.0.weight")


def test_what_is_no_merge(one: Path, other: Path, tmp_path: Path) -> None:
    """Each with one sentence, and nothing is left in the folder."""
    target = tmp_path / "out" / "new.safetensors"
    smaller = {name: tensor[:1].clone() if tensor.ndim > 1 else tensor for name, tensor in load_file(other).items()}
    save_file(smaller, tmp_path / "smaller.safetensors")
    save_file({"lora_unet.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    (tmp_path / "text.safetensors").write_text("no model")
    cases = {
        "needs a second": Merge(primary=one, target=target),
        "needs a third": Merge(primary=one, secondary=other, target=target, method="Add difference"),
        "does not fit": Merge(primary=one, secondary=tmp_path / "smaller.safetensors", target=target),
        "no checkpoint in a single file": Merge(primary=tmp_path / "lora.safetensors", secondary=other, target=target),
        "no regular expression": Merge(primary=one, secondary=other, target=target, discard="("),
        "no safetensors file": Merge(primary=one, secondary=tmp_path / "text.safetensors", target=target),
        "no longer there|cannot be read": Merge(primary=one, secondary=tmp_path / "none.safetensors", target=target),
    }
    for said, wanted in cases.items():
        with pytest.raises(DarkroomError, match=said):
            merge(wanted)
        assert not target.parent.exists() or not list(target.parent.iterdir())


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(one: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.safetensors"
    target.write_text("mine")
    with pytest.raises(CannotWrite, match="already"):
        convert(Conversion(source=one, target=target))
    assert target.read_text() == "mine"
    convert(Conversion(source=one, target=target, replace=True))
    assert load_file(target).keys() == load_file(one).keys()


def test_a_checkpoint_may_replace_itself(one: Path, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in load_file(one).items()}
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(one.read_bytes())
    convert(Conversion(source=mine, target=mine, numbers="fp32", replace=True))
    after = load_file(mine)
    assert all(torch.equal(after[name].float(), tensor.float()) for name, tensor in before.items())


def test_stopping_leaves_nothing(one: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise Stop

    with pytest.raises(Stop):
        convert(Conversion(source=one, target=tmp_path / "new.safetensors"), stop)
    assert not list(tmp_path.glob("*new*")) and not list(tmp_path.glob(".*"))


def test_a_killed_merge_leaves_the_old_file_and_the_next_one_succeeds(one: Path, other: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.safetensors"
    target.write_text("the old one")
    slow = (
        "import sys, time\nfrom pathlib import Path\nfrom app.conversion import Merge, merge\n"
        "def wait(done, total):\n    print(done, flush=True)\n    time.sleep(0.05)\n"
        "a, b, t = map(Path, sys.argv[1:])\nmerge(Merge(primary=a, secondary=b, target=t, replace=True), wait)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", slow, one, other, target], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert target.read_text() == "the old one"
    merge(Merge(primary=one, secondary=other, target=target, replace=True))
    assert load_file(target) and [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_large_tensors_are_worked_on_in_parts(tmp_path: Path) -> None:
    size = CHUNK_NUMBERS + 7
    a, b = torch.randn(size), torch.randn(size)
    for name, tensor in (("a", a), ("b", b)):
        save_file({f"{DENOISER}input_blocks.1.0.weight": tensor}, tmp_path / f"{name}.safetensors")
    merge(Merge(primary=tmp_path / "a.safetensors", secondary=tmp_path / "b.safetensors", target=tmp_path / "new.safetensors"))
    (new,) = load_file(tmp_path / "new.safetensors").values()
    assert torch.equal(new, a * (1 - 0.3) + b * 0.3)


def test_progress_ends_at_the_files_size(one: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    convert(Conversion(source=one, target=tmp_path / "new.safetensors"), lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == (tmp_path / "new.safetensors").stat().st_size
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
