"""webui.py: the one command. What it decides before anything is installed; the installation itself runs in every check of a clean clone."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.paths import ROOT


@pytest.fixture
def webui(tmp_path: Path) -> ModuleType:
    """The module, taken to live in a folder of its own."""
    spec = importlib.util.spec_from_file_location("webui_under_test", ROOT / "webui.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    module.ROOT, module.VENV = tmp_path, tmp_path / ".venv"
    module.MARKER = module.VENV / "darkroom-installed.json"
    return module


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, runpy\n"
        "runpy.run_path('webui.py', run_name='not_main')\n"
        "print([name for name, module in sys.modules.items() if 'site-packages' in str(getattr(module, '__file__', ''))])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_help_before_the_installation_installs_nothing(tmp_path: Path) -> None:
    for name in ("webui.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([sys._base_executable, str(tmp_path / "webui.py"), "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "webui.py test" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_is_told_so(webui: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(webui, "OLDEST_PYTHON", (99, 0))
    assert webui.main([]) == 1
    assert "needs Python 99.0 or newer" in capsys.readouterr().err


def test_its_own_flags_are_taken_out(webui: ModuleType) -> None:
    rest, options = webui.own_flags(["--port", "1", "--torch-index", "URL", "--skip-install", "txt2img", "--torch-index=default"])
    assert rest == ["--port", "1", "txt2img"]
    assert options == {"torch_index": "default", "skip_install": True, "reinstall": False}


def test_a_finished_installation_is_not_touched(webui: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    webui.venv_python().parent.mkdir(parents=True)
    webui.venv_python().touch()
    webui.MARKER.write_text(json.dumps({"plain": webui.fingerprint(webui.requirements([]))}))
    monkeypatch.setattr(webui, "make_venv", lambda anew: pytest.fail("it installs again"))
    webui.install([], None, anew=False)


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"plain": "older"}'])
def test_an_unfinished_or_older_one_is(webui: ModuleType, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    """Everything up to the installer itself; the marker is gone as long as the work is not done."""
    webui.venv_python().parent.mkdir(parents=True)
    webui.venv_python().touch()
    webui.MARKER.write_text(marker)

    def interrupted(anew: bool) -> None:
        assert not webui.MARKER.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(webui, "make_venv", interrupted)
    assert webui.main([]) == 130
    assert not webui.MARKER.exists()


def test_the_test_extras_serve_the_plain_start_too(webui: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    webui.venv_python().parent.mkdir(parents=True)
    webui.venv_python().touch()
    webui.MARKER.write_text(json.dumps({"test": webui.fingerprint(webui.requirements(["test"]))}))
    monkeypatch.setattr(webui, "make_venv", lambda anew: pytest.fail("it installs again"))
    webui.install([], None, anew=False)


def test_a_torch_that_works_is_kept(webui: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    webui.VENV.mkdir()
    monkeypatch.setattr(webui, "torch_version", lambda: "2.99.1+cu130")
    lines = webui.constraints().read_text().splitlines()
    assert [line for line in lines if line.startswith("torch==")] == ["torch==2.99.1+cu130"]
    tested = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(lines) == len(tested)


def test_versions_are_compared_as_numbers(webui: ModuleType) -> None:
    assert webui.numbers("2.13.0+cu130") == [2, 13, 0]
    assert webui.numbers("2.9") < webui.numbers("2.10")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("NewConnectionError: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "no connection"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "may not be written"),
        ("something\nERROR: no matching distribution\n", "no matching distribution"),
        ("", "said nothing"),
    ],
)
def test_a_failed_installation_has_a_reason(webui: ModuleType, output: str, sentence: str) -> None:
    assert sentence in webui.reason(output)


def test_a_full_disk_is_seen_beforehand(webui: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(webui, "NEEDED_BYTES", 2**80)
    assert webui.main([]) == 1
    assert "Make room" in capsys.readouterr().err
    assert not webui.VENV.exists()


def test_a_missing_network_is_one_sentence(webui: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The real installer, sent to an address where nobody answers."""
    subprocess.run([sys._base_executable, "-m", "venv", str(webui.VENV)], check=True, timeout=120)
    with pytest.raises(webui.SetupError, match="no connection"):
        webui.pip(
            "install", "--retries", "1", "--timeout", "2", "--no-cache-dir", "--index-url", "http://127.0.0.1:9/simple", "no-such-package"
        )


def test_every_requirement_has_a_tested_version(webui: ModuleType) -> None:
    tested = {line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    names = {"".join(c for c in r.partition(">")[0] if c not in "<=~! ").lower().replace("_", "-") for r in webui.requirements(["test"])}
    assert names - tested == set()
