"""Flags, variables and darkroom.toml become settings; mistakes in them become one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.flags import server_parser, server_settings
from app.schema.errors import InvalidParams
from app.schema.settings import ServerSettings
from tests.support.paths import ROOT


def settings(*flags: str, **environ: str) -> ServerSettings:
    return server_settings(flags, environ)


def test_defaults(tmp_path: Path) -> None:
    made = settings("--data-dir", str(tmp_path))
    assert (made.host, made.port, made.public) == ("127.0.0.1", 3000, False)
    assert made.models == tmp_path / "models"
    assert made.outputs == tmp_path / "outputs"


def test_a_flag_beats_a_variable_and_a_variable_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "darkroom.toml").write_text('port = 1\nsubpath = "/a"\ntheme = "dark"\n', encoding="utf-8")
    made = settings("--data-dir", str(tmp_path), "--port", "3", DARKROOM_PORT="2", DARKROOM_SUBPATH="/b")
    assert (made.port, made.subpath, made.theme) == (3, "/b", "dark")


def test_commandline_args_are_read_as_a1111_does(tmp_path: Path) -> None:
    made = settings(COMMANDLINE_ARGS=f"--listen --port 7860 --data-dir '{tmp_path}' --xformers")
    assert (made.host, made.port, made.public) == ("0.0.0.0", 7860, True)


@pytest.mark.parametrize(
    ("flags", "dtype", "device"),
    [
        (["--no-half"], "fp32", None),
        (["--precision", "full"], "fp32", None),
        (["--use-cpu", "all"], None, "cpu"),
        (["--dtype", "bf16"], "bf16", None),
    ],
)
def test_a1111s_other_words(tmp_path: Path, flags: list[str], dtype: str | None, device: str | None) -> None:
    made = settings("--data-dir", str(tmp_path), *flags)
    assert (made.dtype, made.device) == (dtype, device)


def test_a_flag_that_does_not_exist_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings("--data-dir", str(tmp_path), "--api", "--always-batch-cond-uncond", "--ngrok", "x")
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["--always-batch-cond-uncond", "--ngrok"]


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--port", "many"], "port"),
        (["--port", "70000"], "port"),
        (["--dtype", "fp12"], "dtype"),
        (["--max-rows", "0"], "max_rows"),
        (["--vram-budget", "NaN"], "vram_budget: .* e.g. 6G or 80%"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, flags: list[str], word: str) -> None:
    with pytest.raises(InvalidParams, match=word):
        settings("--data-dir", str(tmp_path), *flags)


@pytest.mark.parametrize(("text", "word"), [("port = ", "cannot be read"), ("prot = 3", "prot"), ('port = "x"', "port")])
def test_a_broken_file_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "darkroom.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidParams, match=word):
        settings("--data-dir", str(tmp_path))


def test_every_setting_has_a_flag_and_help() -> None:
    text = " ".join(server_parser().format_help().split())
    for name, field in ServerSettings.model_fields.items():
        if name != "embedded_dir":
            assert "--" + name.replace("_", "-") in text
            assert field.description is not None and " ".join(field.description.split()) in text


def test_help_and_info_do_not_import_torch() -> None:
    code = (
        "import sys\nfrom app.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "main(['info', 'tests/data/files/plain-png.png'])\n"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
