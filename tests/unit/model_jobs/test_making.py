"""Conversions and merges as jobs: what is written where, A1111's option names, what is refused; cancel, kill, a full disk."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.model_jobs import CannotChange, ModelJobs, Shelf
from app.model_jobs.actions import ACTIONS
from app.models import Catalog
from app.schema.errors import BadModelFile, DarkroomError, InvalidParams, UnknownName
from app.schema.settings import ServerSettings
from tests.support.paths import ROOT

from .conftest import ended, write

MERGE = {"action": "merge", "primary_model_name": "tiny-a.safetensors", "secondary_model_name": "tiny-b"}


CONVERT = {"action": "convert", "name": "new"}


def test_a_merge_is_torchs_and_listed(do, folder: Path, catalog: Catalog) -> None:
    (folder / "tiny-a.yaml").unlink()
    write(folder / "tiny-b.yaml", "model: {params: {parameterization: eps}}")
    job = do(**MERGE, multiplier=0.25, custom_name="mine", save_as_half=True, loras=[{"name": "lin.safetensors", "weight": 0.5}])
    assert (job.state, job.file) == ("done", "mine.safetensors"), job.error
    assert job.summary.endswith("from tiny-a.safetensors, tiny-b.safetensors, lin.safetensors.")
    a, b, new = (load_file(folder / f"{name}.safetensors") for name in ("tiny-a", "tiny-b", "mine"))
    name = "model.diffusion_model.out.2.weight"
    assert torch.equal(new[name], (a[name].float() * 0.75 + b[name].float() * 0.25).half())
    assert (folder / "mine.yaml").read_text() == (folder / "tiny-b.yaml").read_text()
    with safe_open(folder / "mine.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["sd_merge_recipe"])
    assert (recipe["models"], recipe["multiplier"], recipe["loras"][0]["name"]) == (["tiny-a", "tiny-b"], 0.25, "lin")
    assert catalog.find("mine").problem is None and job.done_bytes == job.total_bytes == (folder / "mine.safetensors").stat().st_size


def test_a_merge_without_a_name_or_a_recipe(do, folder: Path) -> None:
    job = do(**MERGE, multiplier=0.4, save_metadata=False, config_source="Don't")
    assert job.file == "0.6(tiny-a) + 0.4(tiny-b).safetensors"
    with safe_open(folder / job.file, "pt") as file:
        assert "sd_merge_recipe" not in file.metadata()
    assert not (folder / job.file).with_suffix(".yaml").exists()


@pytest.mark.parametrize(
    ("value", "numbers", "said"), [(float("nan"), "fp32", 2), (1e6, "fp16", 2), (1e6, "fp32", 0), (float("nan"), "fp8", 2)]
)
def test_numbers_that_are_none_are_told(do, folder: Path, value: float, numbers: str, said: int) -> None:
    """Copied, mixed, or too large for the new format."""
    tensors = {name: tensor.float() for name, tensor in load_file(folder / "tiny-a.safetensors").items()}
    names = "model.diffusion_model.out.2.weight", "model.diffusion_model.time_embed.0.bias"
    for name in names:
        tensors[name].view(-1)[-1] = value
    save_file(tensors, folder / "odd.safetensors")
    for job in (
        do(action="convert", filename="odd.safetensors", name="new", numbers=numbers),
        do(**{**MERGE, "primary_model_name": "odd"}, numbers=numbers, custom_name="mixed"),
    ):
        assert job.state == "done", job.error
        assert (f"{said} of its tensors have numbers that are not finite" in job.summary) is bool(said), job.summary
        assert any(name in job.summary for name in names) is bool(said)


def test_a_conversion_into_a_folder(do, folder: Path) -> None:
    wanted = {"filename": "tiny-a-copy.ckpt", "name": "half", "folder": "converted", "numbers": "fp16"}
    job = do(action="convert", **wanted, bake_in_vae="tiny-other.safetensors")
    assert job.state == "done", job.error
    new, vae = load_file(folder / "converted" / "half.safetensors"), load_file(folder.parent / "VAE" / "tiny-other.safetensors")
    assert {tensor.dtype for tensor in new.values()} <= {torch.float16, torch.int64}
    some = next(name for name in vae if name.endswith("decoder.conv_in.weight"))
    inside = next(name for name in new if name.endswith("decoder.conv_in.weight"))
    assert torch.equal(new[inside], vae[some].half())


def test_what_is_refused_at_once(jobs, folder: Path) -> None:
    cases: list[tuple[type[Exception], str, dict]] = [
        (UnknownName, "There is no checkpoint 'none'", {**MERGE, "primary_model_name": "none"}),
        (UnknownName, "There is no VAE 'none'", {**MERGE, "bake_in_vae": "none"}),
        (UnknownName, "There is no LoRA 'none'", {**MERGE, "loras": [{"name": "none"}]}),
        (DarkroomError, "Only checkpoints of one family can be merged: tiny-a.*, sdxl-a.* is", {**MERGE, "secondary_model_name": "sdxl-a"}),
        (CannotChange, "already", {**MERGE, "custom_name": "tiny-a"}),
        (DarkroomError, "cannot be the name", {**MERGE, "custom_name": "../x"}),
        (DarkroomError, "cannot be the name", {**MERGE, "custom_name": "x", "folder": "../.."}),
        (InvalidParams, "no regular expression: missing", {**MERGE, "custom_name": "x", "discard_weights": "("}),
        (InvalidParams, "no regular expression", {**MERGE, "custom_name": "x", "discard_weights": "(" * 500 + ")" * 500}),
        (InvalidParams, "no regular expression", {**MERGE, "custom_name": "x", "discard_weights": "a{99999999999999}"}),
        (InvalidParams, "weights of blocks", {**MERGE, "custom_name": "x", "block_weights": "1,2,3"}),
        (InvalidParams, "decimal numbers", {**MERGE, "custom_name": "x", "block_weights": ",".join(["nan"] * 25)}),
        (InvalidParams, "bake_in_vae is for", {**CONVERT, "kind": "lora", "filename": "lin.safetensors", "bake_in_vae": "tiny-other"}),
        (ValidationError, "needs a secondary model", {"action": "merge", "primary_model_name": "tiny-a"}),
        (ValidationError, "needs a tertiary model", {**MERGE, "interp_method": "Add difference"}),
        (ValidationError, "Extra inputs", {**MERGE, "bake_vae": "x"}),
        (ValidationError, "finite|less than", {**MERGE, "multiplier": float("nan")}),
        (ValidationError, "safetensors", {**MERGE, "checkpoint_format": "ckpt"}),
    ]
    before = sorted(folder.iterdir())
    for error, said, action in cases:
        with pytest.raises(error, match=said):
            jobs.add(ACTIONS.validate_python(action))
    assert sorted(folder.iterdir()) == before and jobs.all() == []


def test_what_has_a_problem_is_neither_converted_nor_merged(jobs, catalog: Catalog, folder: Path) -> None:
    """The sentence of its card says why; files that only want another form (`.ckpt`, without a VAE) have none."""
    save_file({"weight": torch.zeros(2, 2)}, folder / "odd.safetensors")
    (folder.parent / "VAE" / "odd.vae.safetensors").touch()
    (folder.parent / "Lora" / "text.safetensors").write_text("no LoRA" * 9)
    whole = load_file(folder / "tiny-b.safetensors")
    save_file({name: tensor for name, tensor in whole.items() if not name.startswith("first_stage")}, folder / "bare.safetensors")
    catalog.refresh()
    problem = catalog.find("odd").problem
    assert problem is not None and catalog.find("bare").problem is None
    with pytest.raises(BadModelFile) as refused:
        jobs.add(ACTIONS.validate_python({**CONVERT, "filename": "odd.safetensors"}))
    assert str(refused.value) == f"odd.safetensors: {problem}"
    for other in ({"secondary_model_name": "odd"}, {"bake_in_vae": "odd.vae"}, {"loras": [{"name": "text"}]}):
        with pytest.raises(BadModelFile):
            jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "new", **other}))
    with pytest.raises(BadModelFile, match="it is a text file"):
        jobs.add(ACTIONS.validate_python({**CONVERT, "kind": "lora", "filename": "text.safetensors"}))
    assert jobs.all() == []
    for number, name in enumerate(("bare.safetensors", "tiny-a-copy.ckpt")):
        job = jobs.add(ACTIONS.validate_python({**CONVERT, "filename": name, "name": f"new{number}"}))
        assert ended(jobs, job.id).state == "done", job


def test_what_fails_at_work_leaves_nothing(do, folder: Path, catalog: Catalog) -> None:
    first = "model.diffusion_model.input_blocks.0.0.weight"
    inpainting = load_file(folder / "tiny-b.safetensors")
    inpainting[first] = torch.zeros(len(inpainting[first]), 9, 3, 3)
    save_file(inpainting, folder / "more-channels.safetensors")
    catalog.refresh()
    assert catalog.find("more-channels").problem is None
    before = sorted(folder.iterdir())
    cases = {
        "does not fit tiny-a.safetensors": {"secondary_model_name": "more-channels"},
        "takes longer than": {"discard_weights": "(a+)+$|(.*.*.*.*.*.*.*.*)*Z"},
        "Nothing of tiny-a.safetensors is left": {"discard_weights": "."},
        "whose texts are": {"loras": [{"name": "xl-lin"}]},
        "VAE of another kind": {"bake_in_vae": "broken.safetensors"},
    }
    vae = {name: tensor[:1].clone() for name, tensor in load_file(folder.parent / "VAE" / "tiny-other.safetensors").items()}
    save_file(vae, folder.parent / "VAE" / "broken.safetensors")
    catalog.refresh()
    for said, change in cases.items():
        job = do(**{**MERGE, "custom_name": "new", **change})
        assert job.state == "failed" and said in job.error, job
        assert sorted(folder.iterdir()) == before


def test_a_full_disk(do, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at first; and when it fills up while the file is written."""
    before, usage = sorted(folder.iterdir()), namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
        job = do(**MERGE, custom_name="new")
    assert job.state == "failed" and "not enough room on the disk for new.safetensors" in job.error and job.done_bytes == 0
    with monkeypatch.context() as patched:

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(os, "fsync", full)
        job = do(**MERGE, custom_name="new")
    assert job.state == "failed" and "not enough room on the disk for new.safetensors" in job.error
    assert sorted(folder.iterdir()) == before


def slowed(jobs: ModelJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each portion that is written takes a twentieth of a second."""
    report = ModelJobs._report

    def slow(self: ModelJobs, wanted: str):
        told = report(self, wanted)

        def wait(done: int, total: int) -> None:
            told(done, total)
            time.sleep(0.05)

        return wait

    monkeypatch.setattr(ModelJobs, "_report", slow)


def at_work(jobs: ModelJobs, wanted: str) -> None:
    until = time.monotonic() + 60
    while jobs.get(wanted).done_bytes == 0:
        assert time.monotonic() < until and jobs.get(wanted).state in ("queued", "running")
        time.sleep(0.01)


def test_cancel(jobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(jobs, monkeypatch)
    before = sorted(folder.iterdir())
    job = jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "new"}))
    waiting = jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "other"}))
    at_work(jobs, job.id)
    running = jobs.get(job.id)
    assert running.state == "running" and running.total_bytes and running.done_bytes < running.total_bytes
    assert jobs.cancel(waiting.id).state == "cancelled"
    asked = time.monotonic()
    jobs.cancel(job.id)
    assert ended(jobs, job.id).state == "cancelled" and time.monotonic() - asked < 5
    assert sorted(folder.iterdir()) == before
    jobs.remove(job.id)
    assert [left.id for left in jobs.all()] == [waiting.id]


def test_the_server_ends_and_starts_again(
    jobs, settings: ServerSettings, catalog: Catalog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was at work is interrupted and leaves nothing; what waited is done; the list is as it was."""
    with monkeypatch.context() as patched:
        slowed(jobs, patched)
        first = jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "first"}))
        second = jobs.add(ACTIONS.validate_python({"action": "rename", "kind": "lora", "filename": "lin.safetensors", "name": "renamed"}))
        at_work(jobs, first.id)
        jobs.close()
    assert jobs.get(first.id).state == "interrupted" and not list(folder.glob("*first*")) and not list(folder.glob(".*"))
    again = ModelJobs(Shelf(settings=settings, catalog=catalog))
    assert {job.id: job.state for job in again.all()} == {first.id: "interrupted", second.id: "queued"}
    again.start()
    assert ended(again, second.id).state == "done" and "ask for it again" in again.get(first.id).error
    again.close()


def test_kill_9(settings: ServerSettings, catalog: Catalog, folder: Path) -> None:
    slow = (
        "import sys, time\nfrom pathlib import Path\nfrom app.model_jobs import ModelJobs, Shelf\n"
        "from app.model_jobs.actions import ACTIONS\nfrom app.models import Catalog\nfrom app.schema.settings import ServerSettings\n"
        "settings = ServerSettings(data_dir=Path(sys.argv[1]))\njobs = ModelJobs(Shelf(settings=settings, catalog=Catalog(settings)))\n"
        "report = ModelJobs._report\n"
        "def slow(self, wanted):\n    told = report(self, wanted)\n    def wait(done, total):\n        told(done, total)\n"
        "        print(done, flush=True)\n        time.sleep(0.05)\n    return wait\n"
        "ModelJobs._report = slow\njobs.start()\n"
        "jobs.add(ACTIONS.validate_python({'action': 'merge', 'primary_model_name': 'tiny-a', 'secondary_model_name': 'tiny-b',"
        " 'custom_name': 'new', 'loras': [{'name': 'lin'}]}))\ntime.sleep(600)\n"
    )
    before = sorted(folder.iterdir())
    process = subprocess.Popen([sys.executable, "-c", slow, settings.data_dir], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (folder / "new.safetensors").exists() and list(folder.glob(".new.safetensors.partial"))
    jobs = ModelJobs(Shelf(settings=settings, catalog=catalog))
    jobs.start()
    (job,) = jobs.all()
    assert job.state == "interrupted" and "Nothing half-made is left" in job.error and sorted(folder.iterdir()) == before
    assert ended(jobs, jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "new"})).id).state == "done"
    jobs.close()


def test_a_damaged_list_is_kept_beside_and_what_is_sound_goes_on(
    settings: ServerSettings, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    path = settings.data_dir / "model-jobs.json"
    sound = {"id": "7", "action": {"action": "trash"}, "title": "T", "state": "done", "moves": [["a", "b"]], "of a later version": 1}
    texts = ("[" * 2000, '{"a": 1}', json.dumps([{"id": 1}, 5, sound]), "\x00")
    for number, text in enumerate(texts, start=1):
        path.write_text(text)
        jobs = ModelJobs(Shelf(settings=settings, catalog=catalog))
        assert [job.moves for job in jobs.all()] == ([(("a", "b"),)] if number == 3 else [])
        jobs.close()
        assert path.with_name(f"model-jobs.damaged-{number}.json").read_text() == text
        assert "missing" not in caplog.text and f"it is now model-jobs.damaged-{number}.json" in caplog.text


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_job_that_somebody_changed_in_the_list_stops_neither_the_server_nor_the_others(
    settings: ServerSettings, catalog: Catalog, folder: Path, state: str
) -> None:
    """An action without a kind cannot be ended, nor done."""
    moves = [[str(folder / "gone.safetensors"), str(folder / "tiny-b.safetensors")]]
    odd = {"id": "7", "action": {"action": "move"}, "title": "T", "state": state, "moves": moves, "created": 1}
    (settings.data_dir / "model-jobs.json").write_text(json.dumps([odd]))
    jobs = ModelJobs(Shelf(settings=settings, catalog=catalog))
    jobs.start()
    assert ended(jobs, jobs.add(ACTIONS.validate_python({**MERGE, "custom_name": "new"})).id).state == "done"
    job = jobs.get("7")
    jobs.close()
    assert job.state == ("interrupted" if state == "running" else "failed") and job.error


def test_another_server_on_the_same_data_folder_keeps_its_jobs_to_itself(jobs, settings: ServerSettings, catalog: Catalog, do) -> None:
    first = do(**{**MERGE, "custom_name": "one"})
    path = settings.data_dir / "model-jobs.json"
    before = path.read_text()
    second = ModelJobs(Shelf(settings=settings, catalog=catalog))
    second.start()
    assert second.all() == []
    other = second.add(ACTIONS.validate_python({**MERGE, "custom_name": "two"}))
    assert ended(second, other.id).state == "done"
    second.close()
    assert path.read_text() == before
    assert [job.id for job in jobs.all()] == [first.id]
