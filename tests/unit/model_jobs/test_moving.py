"""Model files renamed, moved, thrown away and brought back, with what belongs to them; names that are none; faults half-way."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.model_jobs import CannotChange, ModelJobs, Shelf, trashed
from app.model_jobs.actions import ACTIONS
from app.model_jobs.moving import finish
from app.models import EMBEDDED, Catalog
from app.schema.errors import DarkroomError, InvalidParams, NotFound, UnknownName
from app.schema.settings import ServerSettings
from tests.support.paths import ROOT

from .conftest import ended, write

BESIDE = (".json", ".civitai.info", ".preview.png", ".yaml", ".vae.pt")
FILE = {"kind": "checkpoint", "filename": "tiny-b.safetensors"}


def give_company(folder: Path, stem: str) -> None:
    for suffix in BESIDE:
        write(folder / f"{stem}{suffix}", f"of {stem}{suffix}")


def test_another_name_with_all_that_belongs_to_it(do, jobs, folder: Path, catalog: Catalog) -> None:
    give_company(folder, "tiny-b")
    data = (folder / "tiny-b.safetensors").read_bytes()
    job = do(action="rename", **FILE, name="Mein Modell (2).safetensors")
    assert (job.state, job.file) == ("done", "Mein Modell (2).safetensors"), job.error
    assert "with the 5 files that belong to it" in job.summary
    assert (folder / "Mein Modell (2).safetensors").read_bytes() == data
    for suffix in BESIDE:
        assert (folder / f"Mein Modell (2){suffix}").read_text() == f"of tiny-b{suffix}"
    assert not list(folder.glob("tiny-b*"))
    assert catalog.find("Mein Modell (2)").problem is None


def test_into_a_folder_and_back(do, folder: Path, catalog: Catalog) -> None:
    give_company(folder, "tiny-b")
    assert do(action="move", **FILE, folder="SD 1/merged").file == "SD 1/merged/tiny-b.safetensors"
    assert {path.name for path in (folder / "SD 1" / "merged").iterdir()} == {f"tiny-b{end}" for end in (*BESIDE, ".safetensors")}
    assert catalog.find("tiny-b").filename == "SD 1/merged/tiny-b.safetensors"
    assert do(action="move", kind="checkpoint", filename="SD 1/merged/tiny-b.safetensors").file == "tiny-b.safetensors"


def test_the_trash_and_back(do, jobs, folder: Path, catalog: Catalog) -> None:
    give_company(folder, "tiny-b")
    data = (folder / "tiny-b.safetensors").read_bytes()
    assert do(action="trash", **FILE).state == "done"
    assert not list(folder.glob("tiny-b*")) and "tiny-b" not in [file.name for file in catalog.checkpoints()]
    ((root, one),) = trashed(jobs.shelf)
    assert (root.kind, one.relative, len(one.beside)) == ("checkpoint", "tiny-b.safetensors", 5)
    (folder / "tiny-b.safetensors").write_text("another one has the name by now")
    assert do(action="restore", key=one.key).file == "tiny-b-1.safetensors"
    assert (folder / "tiny-b-1.safetensors").read_bytes() == data
    assert all((folder / f"tiny-b-1{suffix}").read_text() == f"of tiny-b{suffix}" for suffix in BESIDE)
    assert (folder / "tiny-b.safetensors").read_text() == "another one has the name by now"
    assert not trashed(jobs.shelf)
    with pytest.raises(NotFound):
        jobs.add(ACTIONS.validate_python({"action": "restore", "key": one.key}))


def test_deleted_for_good(do, jobs, folder: Path) -> None:
    do(action="trash", kind="lora", filename="lin.safetensors")
    ((_, one),) = trashed(jobs.shelf)
    assert do(action="destroy", key=one.key).state == "done" and not trashed(jobs.shelf)
    assert not list((folder.parent / "Lora" / ".trash").iterdir())


def test_a_yaml_of_two_files_stays(do, folder: Path) -> None:
    """`x.ckpt` beside `x.safetensors`: neither takes the other's notes away."""
    (folder / "tiny-b.ckpt").write_bytes((folder / "tiny-a-copy.ckpt").read_bytes())
    give_company(folder, "tiny-b")
    assert do(action="trash", kind="checkpoint", filename="tiny-b.ckpt").state == "done"
    assert all((folder / f"tiny-b{suffix}").is_file() for suffix in BESIDE)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "..", ".hidden", "a\\b", "con", "NUL.safetensors", "a\x00b", "a\nb", "x:y", "dot.", "x" * 201, "a\u202eb", "what?"],
)
def test_names_that_are_none(jobs, folder: Path, name: str) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(InvalidParams, match="cannot be the name"):
        jobs.add(ACTIONS.validate_python({"action": "rename", **FILE, "name": name}))
    assert sorted(folder.rglob("*")) == before and jobs.all() == []


@pytest.mark.parametrize("place", ["..", "a/../..", "/etc", "a//b", "con/x", "a/" * 9 + "b", ".trash", "x\\y"])
def test_folders_that_are_none(jobs, place: str) -> None:
    with pytest.raises(InvalidParams):
        jobs.add(ACTIONS.validate_python({"action": "move", **FILE, "folder": place}))


@pytest.mark.parametrize("place", ["d-x", "d-x/unet", "d-x/new/deep", "beside"])
def test_no_file_vanishes_in_a_checkpoint_of_several_files(jobs, folder: Path, place: str) -> None:
    """The list takes such a folder for one model and does not look into it."""
    (folder / "d-x" / "unet").mkdir(parents=True)
    (folder / "d-x" / "model_index.json").write_text("{}")
    (folder / "beside").symlink_to("d-x/unet")
    for action in ({"action": "move", **FILE}, {"action": "convert", **FILE, "name": "x"}):
        with pytest.raises(InvalidParams, match="d-x is a checkpoint of several files"):
            jobs.add(ACTIONS.validate_python({**action, "folder": place}))


def test_a_link_leads_out_of_no_folder(jobs, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidParams, match="leads out"):
        jobs.add(ACTIONS.validate_python({"action": "move", **FILE, "folder": "out"}))
    (folder / "link.safetensors").symlink_to("tiny-b.safetensors")
    jobs.shelf.catalog.refresh()
    with pytest.raises(CannotChange, match="is a link"):
        jobs.add(ACTIONS.validate_python({"action": "move", "kind": "checkpoint", "filename": "link.safetensors", "folder": "x"}))


def test_nothing_is_replaced(jobs, folder: Path) -> None:
    write(folder / "tiny-b.yaml", "mine")
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    cases = {
        "already in Stable-diffusion": {"action": "rename", "name": "tiny-a"},
        "lies in that folder already": {"action": "move", "folder": ""},
        "would be taken for a VAE": {"action": "rename", "name": "x.vae"},
        "yaml is a file, not a folder": {"action": "move", "folder": "tiny-b.yaml/below"},
    }
    for said, action in cases.items():
        with pytest.raises(DarkroomError, match=said):
            jobs.add(ACTIONS.validate_python({**FILE, **action}))
    (folder / "free.yaml").write_text("of somebody else")
    with pytest.raises(CannotChange, match=r"free\.yaml already"):
        jobs.add(ACTIONS.validate_python({**FILE, "action": "rename", "name": "free"}))
    (folder / "free.yaml").unlink()
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before


def test_what_is_not_there_or_not_ours(jobs) -> None:
    for action in ({"filename": "none.safetensors"}, {"filename": "../Lora/lin.safetensors"}, {"filename": "/etc/passwd"}):
        with pytest.raises(UnknownName):
            jobs.add(ACTIONS.validate_python({"action": "trash", "kind": "checkpoint", **action}))
    unknown = {"action": "trash", **FILE, "force": True}
    for wrong in (unknown, {"action": "burn"}, {"action": "rename", **FILE}, {"action": "trash", "kind": "x"}):
        with pytest.raises(ValidationError):
            ACTIONS.validate_python(wrong)


def test_a_file_that_jobs_name_stays(settings: ServerSettings, catalog: Catalog, folder: Path) -> None:
    jobs = ModelJobs(Shelf(settings=settings, catalog=catalog, wanted_by=lambda file: 2 if file.name == "tiny-b" else 0))
    for action in ({"action": "rename", "name": "x"}, {"action": "move", "folder": "x"}, {"action": "trash"}):
        with pytest.raises(CannotChange, match="2 jobs that wait or run name it"):
            jobs.add(ACTIONS.validate_python({**FILE, **action}))
    assert jobs.add(ACTIONS.validate_python({**FILE, "action": "verify"})).state == "queued"
    jobs.close()


def test_a_fault_half_way_puts_everything_back(do, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_company(folder, "tiny-b")
    before = {path.name: path.read_bytes() for path in folder.glob("tiny-b*")}
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "tiny-b.yaml":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    for action in ({"action": "rename", "name": "x"}, {"action": "move", "folder": "y"}, {"action": "trash"}):
        job = do(**FILE, **action)
        assert job.state == "failed" and "could not be moved: Input/output error" in job.error
        assert {path.name: path.read_bytes() for path in folder.glob("tiny-b*")} == before
    assert not list((folder / ".trash").iterdir())


def test_renamings_that_a_kill_cut_in_two_are_ended(jobs, folder: Path) -> None:
    moves = [(folder / f"old{end}", folder / f"new{end}") for end in (".safetensors", ".yaml", ".json")]
    for number, (before, now) in enumerate(moves):
        (now if number == 0 else before).write_text(str(number))
    done = finish("checkpoint", "old.safetensors", moves, jobs.shelf)
    assert done is not None and done.file == "new.safetensors"
    assert [now.read_text() for _, now in moves] == ["0", "1", "2"] and not any(before.exists() for before, _ in moves)
    for before, now in moves:  # killed before the first: nothing is to be done
        now.rename(before)
    assert finish("checkpoint", "old.safetensors", moves, jobs.shelf) is None
    assert all(before.exists() for before, _ in moves)


def test_in_a_plain_installation_ones_own_lie_beside_those_that_come_along(settings: ServerSettings, folder: Path) -> None:
    """One folder for both: the user's can be changed, Darkroom's cannot, and nobody gets their names."""
    write_copy = folder / f"{EMBEDDED}.safetensors"
    write_copy.write_bytes((folder / "tiny-b.safetensors").read_bytes())
    plain = settings.model_copy(update={"embedded_dir": folder})
    shelf = Shelf(settings=plain, catalog=Catalog(plain))
    jobs = ModelJobs(shelf)
    jobs.start()
    do = {"action": "rename", "kind": "checkpoint"}
    with pytest.raises(CannotChange, match="comes with Darkroom and stays"):
        jobs.add(ACTIONS.validate_python({**do, "filename": write_copy.name, "name": "mine"}))
    for name in (EMBEDDED, f"{EMBEDDED.upper()}.safetensors", "pocket-emoji-v1"):
        with pytest.raises(CannotChange, match="is the name of a checkpoint that comes with Darkroom"):
            jobs.add(ACTIONS.validate_python({**do, "filename": "tiny-b.safetensors", "name": name}))
    job = ended(jobs, jobs.add(ACTIONS.validate_python({**do, "filename": "tiny-b.safetensors", "name": "mine"})).id)
    jobs.close()
    assert (job.state, job.file) == ("done", "mine.safetensors") and (folder / "mine.safetensors").is_file()


@pytest.mark.parametrize(("killed_at", "state"), [("on_moved", "done"), ("nowhere", "interrupted")])
def test_a_kill_after_the_renaming_and_before_it_was_written_down(
    settings: ServerSettings, catalog: Catalog, folder: Path, killed_at: str, state: str
) -> None:
    """The next server says what is: the file has its new name, or it is to be asked for again."""
    give_company(folder, "tiny-b")
    script = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom app.model_jobs import ModelJobs, Shelf, moving\n"
        "from app.model_jobs.actions import ACTIONS\nfrom app.models import Catalog\nfrom app.schema.settings import ServerSettings\n"
        "settings = ServerSettings(data_dir=Path(sys.argv[1]))\ndef kill(*_):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "jobs = ModelJobs(Shelf(settings=settings, catalog=Catalog(settings), on_moved=kill))\n"
        "if sys.argv[2] == 'nowhere':\n    moving._shift = kill\n"
        "jobs.start()\njobs.add(ACTIONS.validate_python({'action': 'move', 'kind': 'checkpoint', 'filename': 'tiny-b.safetensors',"
        " 'folder': 'else'}))\ntime.sleep(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, settings.data_dir, killed_at], cwd=ROOT, timeout=100)
    assert ended.returncode == -signal.SIGKILL
    told: list[tuple[object, ...]] = []
    jobs = ModelJobs(Shelf(settings=settings, catalog=catalog, on_moved=lambda *moved: told.append(moved)))
    jobs.start()
    jobs.close()
    (job,) = jobs.all()
    assert job.state == state, job
    if state == "interrupted":
        assert "ask for it again" in job.error and (folder / "tiny-b.safetensors").is_file() and not told
        return
    assert (job.file, job.error) == ("else/tiny-b.safetensors", "")
    assert job.summary == "tiny-b.safetensors is else/tiny-b.safetensors now, with the 5 files that belong to it."
    assert told == [("checkpoint", folder / "tiny-b.safetensors", folder / "else" / "tiny-b.safetensors", job.file)]
    assert catalog.find("tiny-b").filename == job.file
