"""`webui.py models list|info`: what is shown of which files."""

import hashlib
import json
from pathlib import Path

import pytest

from app.cli import main
from app.models import Catalog
from app.schema.settings import ServerSettings
from tests.support.diffusers_folders import save_folder


def told(capsys: pytest.CaptureFixture[str], data_dir: Path, *arguments: str) -> str:
    assert main(["models", *arguments, "--data-dir", str(data_dir)]) == 0
    return capsys.readouterr().out


def test_files_of_all_kinds_are_listed(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny_data / "models" / "Lora" / "cut.safetensors").write_bytes(b"")
    lines = told(capsys, tiny_data, "list").splitlines()
    assert lines[0].split() == ["KIND", "FAMILY", "NUMBERS", "SIZE", "FILE"]
    assert {line.split()[0] for line in lines[1:]} == {"checkpoint", "lora", "embedding", "vae", "hypernetwork"}
    assert any("cut.safetensors  (The file is empty" in line for line in lines)
    assert next(line for line in lines if line.endswith("sdxl-refiner.safetensors")).split()[:4] == [
        "checkpoint",
        "SDXL",
        "refiner",
        "fp16",
    ]
    found = json.loads(told(capsys, tiny_data, "list", "tiny", "--kind", "checkpoint", "--family", "SD1", "--sort", "name", "--json"))
    assert [each["name"] for each in found][:2] == ["tiny-a", "tiny-a-copy"] and found[0]["precision"] == "fp16"
    assert json.loads(told(capsys, tiny_data, "list", "no such word", "--json")) == []


def test_what_is_known_of_a_file(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_data / "models" / "Lora" / "lin.safetensors"
    path.with_suffix(".json").write_text('{"activation text": "glossy"}')
    (each,) = json.loads(told(capsys, tiny_data, "info", "lin", "--hashes", "--json"))
    assert each["hashes"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() and each["activation_text"] == "glossy"
    assert each["training"]["Network dim (rank)"] == "4" and each["kind"] == "lora" and each["remarks"] == []
    text = told(capsys, tiny_data, "info", "lin.safetensors", "tiny-a")
    assert (
        "activation text: glossy\n" in text and "  Network dim (rank): 4\n" in text and "native size: 64\n" in text and "None" not in text
    )
    assert "unet-only.safetensors" in told(capsys, tiny_data, "info", "glossy-unet")


def test_a_diffusers_folder_is_one_of_them(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_data / "models" / "Stable-diffusion" / "folder v1.5"
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    save_folder(catalog.find("tiny-b"), folder)
    catalog.close()
    folder.with_name("folder v1.5.json").write_text('{"notes": "mine"}')
    (each,) = json.loads(told(capsys, tiny_data, "info", "folder v1.5", "--hashes", "--json"))
    assert (each["layout"], each["family"], each["notes"], each["problem"]) == ("folder", "SD1", "mine", None) and "hashes" not in each


def test_a_name_that_is_nobodys(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "info", "../../etc/passwd", "--data-dir", str(tiny_data)]) == 1
    assert capsys.readouterr().err.startswith("darkroom: There is no model file '../../etc/passwd'. Known: ")
    assert main(["models", "info", "lin", "--kind", "vae", "--data-dir", str(tiny_data)]) == 1
    with pytest.raises(SystemExit):
        main(["models", "list", "--kind", "program"])
