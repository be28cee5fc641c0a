"""What shapes cannot tell: metadata first, then the yaml beside the file, then the family."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.models import EMBEDDED
from app.models.hints import BETAS, hints_from_metadata, hints_from_yaml, yaml_beside
from app.models.plain_yaml import YAML_LIMIT_BYTES
from app.models.reading import read_facts
from app.networks.noise import SigmaTable, cumulative_alphas
from app.schema.errors import BadModelFile
from tests.support.model_files import tiny_shapes, write_shapes
from tests.support.paths import DATA, ROOT

CONFIG = """
model:
  params:
    linear_start: 1e-3
    linear_end: 0.02
    image_size: 32
    scale_factor: 0.2
    parameterization: "v"
    unet_config: {params: {num_heads: 4, num_head_channels: -1}}
    first_stage_config: {params: {ddconfig: {ch_mult: [1, 2, 4]}}}
    cond_stage_config: {params: {num_attention_heads: 2, hidden_act: gelu}}
"""


def written(folder: Path, metadata: dict[str, str] | None = None, yaml: str | None = None) -> Path:
    if yaml is not None:
        (folder / "model.yaml").write_text(yaml)
    return write_shapes(folder / "model.safetensors", tiny_shapes("sd1", "sd1"), metadata)


def refusal(run: Callable[[], object]) -> str:
    with pytest.raises(BadModelFile) as caught:
        run()
    return str(caught.value)


def test_a_yaml_speaks_where_the_metadata_is_silent(tmp_path: Path) -> None:
    facts = read_facts(written(tmp_path, yaml=CONFIG))
    assert (facts.denoiser.heads, facts.texts[0].heads, facts.texts[0].activation) == ((4,) * 4, 2, "gelu")
    assert (facts.linear_start, facts.linear_end, facts.autoencoder.scale_factor) == (0.001, 0.02, 0.2)
    assert (facts.prediction, facts.native_size_px) == ("v", 128)


def test_metadata_beats_a_yaml(tmp_path: Path) -> None:
    metadata = {
        "darkroom.num_heads": "8",
        "darkroom.text_heads": "1",
        "darkroom.norm_groups": "16",
        "darkroom.scale_factor": "0.13",
        "modelspec.prediction_type": "epsilon",
        "modelspec.resolution": "768x768",
        "modelspec.title": "  A title ",
        "modelspec.description": "d" * 5000,
    }
    facts = read_facts(written(tmp_path, metadata, CONFIG))
    assert (facts.denoiser.heads[0], facts.texts[0].heads, facts.norm_groups, facts.autoencoder.scale_factor) == (8, 1, 16, 0.13)
    assert (facts.prediction, facts.native_size_px, facts.linear_end) == ("epsilon", 768, 0.02)
    assert facts.title == "A title" and facts.description is not None and len(facts.description) == 2000


@pytest.mark.parametrize(("name", "native_size_px"), [("tiny-a", 512), ("tiny-v", None)])
def test_the_yamls_of_the_tiny_models(name: str, native_size_px: int | None) -> None:
    hints = hints_from_yaml(DATA / "manifests" / "yaml" / f"{name}.yaml")
    assert (hints.heads, hints.text_heads, hints.native_size_px, hints.scale_factor) == (8, 4, native_size_px, 0.18215)
    assert (hints.prediction, hints.text_activation) == ("v" if name == "tiny-v" else None, "quick_gelu")


def test_the_yaml_of_the_embedded_checkpoint_says_the_same_as_its_metadata() -> None:
    beside = yaml_beside(ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors")
    assert beside is not None
    hints = hints_from_yaml(beside)
    assert (hints.heads, hints.text_heads, hints.native_size_px) == (8, 3, 128)


def test_heads_of_a_fixed_width_are_not_stable_diffusion_1(tmp_path: Path) -> None:
    yaml = "model: {params: {unet_config: {params: {num_heads: -1, num_head_channels: 64}}}}"
    assert "attention heads of a fixed width" in refusal(lambda: read_facts(written(tmp_path, {"darkroom.text_heads": "4"}, yaml)))


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"darkroom.num_heads": "7"}, "7 attention heads do not divide the width 32; the file's metadata has to say darkroom.num_heads"),
        ({"darkroom.text_heads": "5"}, "5 text attention heads do not divide the width 64"),
        ({"darkroom.norm_groups": "24"}, "24 norm groups do not divide the width 32"),
        ({"darkroom.num_heads": "eight"}, "says darkroom.num_heads is 'eight'; it has to be a whole number from 1 to 1024"),
        ({"darkroom.num_heads": "1.5"}, "whole number"),
        ({"darkroom.num_heads": "inf"}, "whole number"),
        ({"darkroom.native_size": "0"}, "whole number from 8 to 8192"),
        ({"darkroom.native_size": "16384"}, "whole number from 8 to 8192"),
        ({"modelspec.resolution": "99999x99999"}, "says modelspec.resolution is '99999x99999'; it has to be at most 8192x8192"),
        ({"darkroom.scale_factor": "-1"}, "a number from 0.01 to 100"),
        ({"darkroom.scale_factor": "nan"}, "a number from 0.01 to 100"),
        ({"darkroom.scale_factor": "1e-300"}, "a number from 0.01 to 100"),
        ({"darkroom.scale_factor": "1e300"}, "a number from 0.01 to 100"),
        ({"modelspec.prediction_type": "x0"}, "it has to be epsilon or v"),
    ],
)
def test_metadata_that_makes_no_sense(tmp_path: Path, metadata: dict[str, str], says: str) -> None:
    assert says in refusal(lambda: read_facts(written(tmp_path, metadata)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64x64", 64),
        ("512", 512),
        ("1024X1024", None),
        ("512x768", 624),
        ("0x0", None),
        ("big", None),
        ("", None),
        (" 768 x 768 ", 768),
        ("16384x64", 1024),
    ],
)
def test_resolutions(text: str, expected: int | None) -> None:
    assert hints_from_metadata({"modelspec.resolution": text}).native_size_px == expected


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("model: [", "model.yaml beside it is damaged in line 1"),
        ("\x00", "model.yaml beside it is damaged"),
        ("[" * 1000, "model.yaml beside it is damaged"),
        ("!!python/object/apply:os.system ['true']", "model.yaml beside it is no configuration: it names types in line 1"),
        ("a: !!timestamp abc", "it names types"),
        ("a:\n  - !!bool foo", "it names types in line 2"),
        ("a: !!int ''", "it names types"),
        ("!!float _: b", "it names types"),
        ("a: !own b", "it names types"),
        ('a: "\\UFFFFFFFF"', "model.yaml beside it is damaged"),
        ("a: " + "x" * YAML_LIMIT_BYTES, "it has more than 65,536 bytes"),
        ("a: &a {b: 1}\nc: {<<: *a}", "model.yaml beside it is no configuration: it has aliases in line 2"),
        ("model: {params: {linear_start: yes}}", "says model.params.linear_start is 'yes'"),
        ("model: {params: {linear_end: [1]}}", "says model.params.linear_end is '[...]'; it has to be a number from 1e-05 to 0.05"),
        ("model: {params: {linear_start: 2, linear_end: 3}}", "says model.params.linear_start is '2'"),
        ("model: {params: {linear_end: 1e300}}", "a number from 1e-05 to 0.05"),
        ("model: {params: {linear_start: 1e-300}}", "a number from 1e-05 to 0.05"),
        ("model: {params: {linear_end: 0.9999}}", "a number from 1e-05 to 0.05"),
        ("model: {params: {image_size: 1025}}", "a whole number from 1 to 1024"),
        ("model: {params: {parameterization: {a: b}}}", "says model.params.parameterization is '{...}'"),
        (f"model: {{params: {{scale_factor: {'9' * 400}}}}}", "a number from 0.01 to 100"),
        ("model: {params: {cond_stage_config: {params: {hidden_act: relu}}}}", "quick_gelu or gelu"),
    ],
)
def test_yamls_that_make_no_sense(tmp_path: Path, yaml: str, says: str) -> None:
    assert says in refusal(lambda: read_facts(written(tmp_path, {"darkroom.text_heads": "4"}, yaml)))


@pytest.mark.parametrize(
    "yaml",
    [
        "",
        "just a text",
        "- a\n- b",
        "model: 3",
        "model: {params: null}",
        "model: {params: {linear_start: null, image_size: ~}}",
        "a: 2001-99-99",
    ],
)
def test_yamls_that_say_nothing(tmp_path: Path, yaml: str) -> None:
    assert read_facts(written(tmp_path, {"darkroom.text_heads": "4"}, yaml)).texts[0].heads == 4


def bomb(nothing: str, unfold: Callable[[str], str], last: str) -> str:
    """Nine levels of ten times the level before: a thousand million copies of the first, from five hundred bytes."""
    return "\n".join([f"x0: &x0 {nothing}", *(f"x{i}: &x{i} {unfold(f'*x{i - 1}')}" for i in range(1, 10)), last])


@pytest.mark.parametrize(
    "yaml",
    [
        bomb("[a]", lambda name: f"[{', '.join([name] * 10)}]", "model: {params: {parameterization: *x9}}"),
        bomb("{a: 1}", lambda name: f"{{{', '.join(f'k{i}: {name}' for i in range(10))}}}", "model: *x9"),
    ],
)
def test_a_bomb_of_aliases_is_not_unfolded(tmp_path: Path, yaml: str) -> None:
    assert "it has aliases in line 2" in refusal(lambda: read_facts(written(tmp_path, {"darkroom.text_heads": "4"}, yaml)))


@pytest.mark.parametrize("start", BETAS)
@pytest.mark.parametrize("end", BETAS)
def test_the_widest_schedules_that_are_taken_have_noise_levels(start: float, end: float) -> None:
    """With its ends anywhere in the range, no level is zero or infinite, and no two are the same."""
    levels = SigmaTable(cumulative_alphas(start, end)).log_sigmas
    assert bool(levels.isfinite().all()) and bool((levels.diff() > 0).all())


def test_a_yaml_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(lambda: hints_from_yaml(tmp_path / "gone.yaml"))
    assert yaml_beside(tmp_path / "gone.safetensors") is None
