"""`webui.py info`: what a picture says, and a sentence for what is no picture."""

import json
from pathlib import Path

import pytest

from app.cli import main
from tests.support.paths import DATA

PLAIN = DATA / "files" / "plain-png.png"


def test_the_infotext_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(PLAIN)]) == 0
    assert "Steps: " in capsys.readouterr().out


def test_json_holds_the_params(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(PLAIN), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["params"]["steps"] == int(said["parameters"]["Steps"])
    assert said["params"]["seed"] == int(said["parameters"]["Seed"])
    assert (said["width"], said["height"]) != (0, 0)


def test_another_programs_picture_is_told_in_a1111s_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(DATA / "samples" / "pictures" / "comfyui" / "lora_lora.png"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["dialect"], said["params"]["sampler"], said["model_name"]) == ("comfyui", "Euler", "v1-5-pruned-emaonly")
    assert said["raw"].startswith("{")


def test_a_picture_without_settings_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(DATA / "files" / "nothing.png")]) == 0
    assert "no settings" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "data"), [("text.png", b"not a picture"), ("empty.png", b""), ("cut.png", PLAIN.read_bytes()[:40])])
def test_what_is_no_picture_gets_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert main(["info", str(tmp_path / name), str(PLAIN)]) == 1
    said = capsys.readouterr()
    assert name in said.err and "Traceback" not in said.err
    assert "Steps: " in said.out  # the other file is still read


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "/no/such/file.png"]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err
