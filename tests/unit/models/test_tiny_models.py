"""The tool that writes the tiny models: the same bytes everywhere, as the manifests say."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from app.models.reading import read_header
from tests.support.paths import DATA
from tools.make_tiny_models import Gains, encode, load_manifests, main, pickled


def test_one_model_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path), "--only", "tiny-other,tinyone", "--list"]) == 0
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["embeddings/tinyone.pt", "models/VAE/tiny-other.safetensors"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"2 files in {tmp_path}, all as in the manifests" and "\twritten" in lines[0]
    assert main(["--data-dir", str(tmp_path), "--only", "tiny-other", "--list"]) == 0
    assert "\tthere" in capsys.readouterr().out


def test_a_checkpoint_comes_with_its_yaml(tiny_models: Path) -> None:
    beside = tiny_models / "models" / "Stable-diffusion" / "tiny-v.yaml"
    assert beside.read_bytes() == (DATA / "manifests" / "yaml" / "tiny-v.yaml").read_bytes()
    assert (tiny_models / "styles.csv").is_file()


def test_a_spoiled_file_is_written_again_and_another_sum_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "Lora" / "te-only.safetensors"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"spoiled")
    assert main(["--data-dir", str(tmp_path), "--only", "te-only"]) == 0
    expected = next(e["sha256"] for e in load_manifests()["sd1"]["files"] if e["path"].endswith("te-only.safetensors"))
    assert hashlib.sha256(target.read_bytes()).hexdigest() == expected
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    changed = json.loads((DATA / "manifests" / "sd1.json").read_text().replace('"seed": "lora/te-only"', '"seed": "other"'))
    changed["copy"] = {}
    (manifests / "sd1.json").write_text(json.dumps(changed))
    monkeypatch.setattr("tools.make_tiny_models.MANIFESTS", manifests)
    assert main(["--data-dir", str(tmp_path), "--only", "te-only", "--force"]) == 1
    assert "the manifest says" in capsys.readouterr().err


def test_an_unknown_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--data-dir", str(tmp_path), "--only", "nope"])


def test_the_numbers_are_those_of_both_containers(tiny_models: Path) -> None:
    folder = tiny_models / "models" / "Stable-diffusion"
    key = "model.diffusion_model.time_embed.0.weight"
    weights = load_file(folder / "tiny-a.safetensors")[key]
    assert weights.dtype == np.float16 and 0.1 < float(weights.astype(np.float32).std()) < 0.5
    assert weights.tobytes() in (folder / "tiny-a-copy.ckpt").read_bytes()
    assert read_header(folder / "tiny-a.safetensors").tensors == read_header(folder / "tiny-a-copy.ckpt").tensors


def test_bf16_rounds_to_the_nearest_even() -> None:
    numbers = np.array([1.0, 1.00390625, 1.01171875, -3.1415927], np.float32)
    bits = np.frombuffer(encode(numbers, "bf16"), "<u2").astype(np.uint32) << 16
    assert bits.view(np.float32).tolist() == [1.0, 1.0, 1.015625, -3.140625]


def test_what_a_manifest_must_not_say() -> None:
    with pytest.raises(ValueError, match="no gain rule"):
        Gains([]).apply("a", (1,), np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="no layout"):
        pickled({}, {"layout": "other"})
