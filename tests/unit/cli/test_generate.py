"""`webui.py txt2img` and `img2img`: the CompVis scripts' flags, on a real engine."""

import json
from pathlib import Path

import pytest
from PIL import Image

from app.cli import main
from app.metadata import params_from_infotext, read_picture


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Path], str]:
    status = main(list(arguments))
    said = capsys.readouterr()
    return status, [Path(line) for line in said.out.splitlines()], said.err


def test_pictures_are_made_with_their_settings(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--prompt", "a (red:1.2) house", "--negative-prompt", "fog", "--H", "72", "--W", "64", "--n_iter", "2", "--ddim_steps", "3"]
    flags += ["--seed", "41", "--scale", "5.5", "--sampler", "Euler a", "--ckpt", "tiny-b", "--clip-skip", "2", "--outdir", str(tmp_path)]
    status, paths, error = run(capsys, "txt2img", *flags, "--data-dir", str(tiny_models), "--device", "cpu")
    assert status == 0, error
    assert [path.name for path in paths] == ["00000-41.png", "00001-42.png"]
    record = read_picture(paths[1])
    assert (record.width, record.height) == (64, 72)
    restored = params_from_infotext(record.text)
    assert dict(restored.values) | {"scheduler": None} == {
        "prompt": "a (red:1.2) house",
        "negative_prompt": "fog",
        "steps": 3,
        "sampler": "Euler a",
        "scheduler": None,
        "cfg_scale": 5.5,
        "seed": 42,
        "width": 64,
        "height": 72,
        "clip_skip": 2,
        # by the text's silence
        "emphasis": "Original",
        "randn_source": "GPU",
        "sigma_min": 0.0,
        "sigma_max": 0.0,
        "rho": 0.0,
        "hr_resize_x": 0,
        "hr_resize_y": 0,
        "refiner_switch_by_sample_steps": False,
    }
    assert restored.model_name == "tiny-b"


def test_every_setting_has_a_flag(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--prompt", "a (b:1.3)", "--steps", "2", "--W", "64", "--H", "64", "--seed", "1", "--ckpt", "tiny-a", "--sampler", "UniPC"]
    flags += ["--no-uni-pc-lower-order-final", "--subseed-strength", "0.4", "--randn-source", "NV", "--emphasis", "No norm"]
    status, paths, error = run(capsys, "txt2img", *flags, "--outdir", str(tmp_path), "--data-dir", str(tiny_models), "--device", "cpu")
    assert status == 0, error
    values = params_from_infotext(read_picture(paths[0]).text).values
    assert (values["randn_source"], values["emphasis"], values["subseed_strength"]) == ("NV", "No norm", 0.4)
    assert 0 <= values["subseed"] < 2**32  # drawn


def test_the_hires_fix_has_flags(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--prompt", "a", "--steps", "2", "--W", "64", "--H", "64", "--seed", "1", "--ckpt", "tiny-a", "--sampler", "Euler"]
    flags += ["--enable-hr", "--hr-scale", "1.5", "--hr-upscaler", "Lanczos", "--hr-checkpoint", "tiny-b", "--hr-sampler", "k_euler_a"]
    flags += ["--strength", "0.6", "--tiling", "--refiner-checkpoint", "tiny-b", "--refiner-switch-at", "0.5"]
    flags += ["--hires-fix-refiner-pass", "first pass"]
    status, paths, error = run(capsys, "txt2img", *flags, "--outdir", str(tmp_path), "--data-dir", str(tiny_models), "--device", "cpu")
    assert status == 0, error
    with Image.open(paths[0]) as made:
        assert made.size == (96, 96)
    values = params_from_infotext(read_picture(paths[0]).text).values
    assert (values["enable_hr"], values["hr_scale"], values["hr_sampler"], values["denoising_strength"]) == (True, 1.5, "Euler a", 0.6)
    assert str(values["hr_checkpoint"]).startswith("tiny-b [") and str(values["refiner_checkpoint"]).startswith("tiny-b [")
    assert (values["refiner_switch_at"], values["hires_fix_refiner_pass"], values["tiling"]) == (0.5, "first pass", True)


def test_from_a_picture_and_into_the_outputs_folder(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--data-dir", str(tiny_data), "--device", "cpu", "--steps", "2", "--W", "64", "--H", "64", "--ckpt", "tiny-a", "--seed", "1"]
    _, first, _ = run(capsys, "txt2img", "--prompt", "a", *common)
    status, second, error = run(capsys, "img2img", "--init-img", str(first[0]), "--strength", "0.8", "--prompt", "a", *common)
    assert status == 0, error
    assert first[0].parent.parent == tiny_data / "outputs" / "txt2img-images"
    assert second[0].parent.parent == tiny_data / "outputs" / "img2img-images"
    assert "Denoising strength: 0.8" in read_picture(second[0]).text


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--steps", "0"], "steps"),
        (["--W", "7"], "width"),
        (["--sampler", "Oiler"], "Euler"),
        (["--ckpt", "no-such"], "no-such"),
        (["--enable-hr", "--hr-upscaler", "Lonczos"], "There is no upscaler 'Lonczos'. Did you mean Lanczos"),
        (["--enable-hr", "--hr-scale", "16", "--W", "1024"], "The hires fix would make 16384x8192"),
        (["--enable-hr", "--hr-sampler", "Oiler"], "There is no sampler 'Oiler'"),
        (["--enable-hr", "--hr-checkpoint", "no-such"], "There is no checkpoint 'no-such'"),
        (["--refiner-checkpoint", "no-such"], "There is no checkpoint 'no-such'"),
        (["--refiner-switch-at", "2"], "refiner_switch_at"),
        (["--token-merging-ratio", "1"], "token_merging_ratio"),
        (["--prompt", "x" * 1_000_000], "prompt"),
    ],
)
def test_wrong_settings_get_a_sentence(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    status, paths, error = run(capsys, "txt2img", "--outdir", str(tmp_path / "new"), "--data-dir", str(tiny_models), *flags)
    assert (status, paths) == (1, [])
    assert sentence in error and "Traceback" not in error
    assert not (tmp_path / "new").exists()


def test_a_picture_to_start_from_that_is_none(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.png").write_text(json.dumps({"no": "picture"}))
    status, _, error = run(capsys, "img2img", "--init-img", str(tmp_path / "text.png"), "--data-dir", str(tiny_models))
    assert status == 1 and "picture" in error


def test_the_picture_before_the_hires_fix_is_saved_as_one_of_its_own(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--prompt", "a", "--steps", "2", "--W", "64", "--H", "64", "--seed", "5", "--ckpt", "tiny-a", "--sampler", "Euler"]
    flags += ["--outdir", str(tmp_path), "--data-dir", str(tiny_models), "--device", "cpu"]
    status, paths, error = run(capsys, "txt2img", *flags, "--enable-hr", "--hr-scale", "1.5", "--save-images-before-highres-fix")
    assert status == 0, error
    assert [path.name for path in paths] == ["00000-5-before-highres-fix.png", "00001-5.png"]
    _, (plain,), _ = run(capsys, "txt2img", *flags)
    before, after, alone = (read_picture(path) for path in (*paths, plain))
    assert before.text == alone.text and "Hires" not in before.text and "Hires upscale: 1.5" in after.text
    with Image.open(paths[0]) as first, Image.open(plain) as single, Image.open(paths[1]) as large:
        assert first.tobytes() == single.tobytes() and large.size == (96, 96)
