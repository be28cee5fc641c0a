"""A server that cannot be built ends with one sentence."""

from pathlib import Path

import pytest

from app.cli import main


def taken(folder: Path) -> Path:
    (file := folder / "file").write_text("in the way")
    return file


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--data-dir", "{file}"], "The data folder {file} cannot be used"),
        (["--data-dir", "{file}/below"], "The data folder {file}/below cannot be used"),
        (["--data-dir", "/proc/x"], "The data folder /proc/x cannot be used"),
        (["--data-dir", "{folder}", "--gradio-auth", "nocolon"], "--gradio-auth wants user:password"),
        (["--data-dir", "{folder}", "--api-auth", "nocolon"], "--api-auth wants user:password"),
    ],
)
def test_what_cannot_be_is_told_before_the_port_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    names = {"file": taken(tmp_path), "folder": tmp_path}
    assert main(["serve", "--port", "0", *(flag.format(**names) for flag in flags)]) == 1
    said = capsys.readouterr()
    assert told.format(**names) in said.err and "Traceback" not in said.err and said.err.count("\n") == 1 and "http://" not in said.out


def test_a_server_whose_parts_cannot_be_built_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").write_text("in the way")
    assert main(["serve", "--port", "0", "--data-dir", str(tmp_path)]) == 1
    assert "darkroom: Darkroom could not start: " in capsys.readouterr().err


def test_a_mistyped_command_starts_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["txt2imgg", "--port", "0"]) == 1
    assert capsys.readouterr().err == "darkroom: There is no command 'txt2imgg'. Did you mean txt2img?\n"
