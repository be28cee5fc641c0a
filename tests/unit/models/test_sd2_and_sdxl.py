"""SD2, SDXL, its refiner and its pruned relatives: recognised by their tensors at full size, from headers alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.models.families.autoencoder import _layout as autoencoder_layout
from app.models.families.denoiser import _layout as denoiser_layout
from app.models.families.text_encoder import layout_of
from app.models.reading import read_facts
from app.schema.errors import BadModelFile
from tests.support.model_files import Shapes, tiny_shapes, write_shapes

UNET, VAE = "model.diffusion_model.", "first_stage_model."
SD2_UNET = DenoiserSizes(
    in_channels=4, out_channels=4, model_channels=320, channel_mult=(1, 2, 4, 4), res_blocks=2,
    depths=((1, 1),) * 3 + ((0, 0),), up_depths=((1, 1, 1),) * 3 + ((0, 0, 0),), middle_depth=1,
    heads=(5, 10, 20, 20), context_width=1024, linear_projection=True,
)  # fmt: skip
SDXL_UNET = DenoiserSizes(
    in_channels=4, out_channels=4, model_channels=320, channel_mult=(1, 2, 4), res_blocks=2,
    depths=((0, 0), (2, 2), (10, 10)), up_depths=((0, 0, 0), (2, 2, 2), (10, 10, 10)), middle_depth=10,
    heads=(5, 10, 20), context_width=2048, linear_projection=True, vector_width=2816,
)  # fmt: skip
SSD_1B = replace(SDXL_UNET, depths=((0, 0), (2, 2), (4, 4)), up_depths=((0, 0, 0), (2, 1, 1), (4, 4, 10)), middle_depth=None)
VEGA = replace(SDXL_UNET, depths=((0, 0), (1, 1), (2, 2)), up_depths=((0, 0, 0), (1, 1, 1), (2, 2, 2)), middle_depth=None)
REFINER_UNET = DenoiserSizes(
    in_channels=4, out_channels=4, model_channels=384, channel_mult=(1, 2, 4, 4), res_blocks=2,
    depths=((0, 0), (4, 4), (4, 4), (0, 0)), up_depths=((0, 0, 0), (4, 4, 4), (4, 4, 4), (0, 0, 0)), middle_depth=4,
    heads=(6, 12, 24, 24), context_width=1280, linear_projection=True, vector_width=2560,
)  # fmt: skip
AUTOENCODER = AutoencoderSizes(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=4, scale_factor=0.13025)
CLIP_L = TextSizes(
    vocabulary=49408, positions=77, width=768, layers=12, heads=12, mlp_width=3072,
    prefix="conditioner.embedders.0.transformer.text_model.", layers_left_out=1, final_norm=False, clip_skip="on request",
)  # fmt: skip
CLIP_G = TextSizes(
    vocabulary=49408, positions=77, width=1280, layers=32, heads=20, mlp_width=5120, activation="gelu",
    prefix="conditioner.embedders.1.model.", layout="openclip", projected_width=1280, layers_left_out=1, final_norm=False,
    clip_skip="never", zero_padded=True,
)  # fmt: skip
CLIP_H = replace(
    CLIP_G, width=1024, layers=24, heads=16, mlp_width=4096, prefix="cond_stage_model.model.", projected_width=None, final_norm=True
)
REFINER_TEXT = replace(CLIP_G, prefix="conditioner.embedders.0.model.")


def shapes_of(unet: DenoiserSizes, *texts: TextSizes, vae: bool = True) -> dict[str, tuple[int, ...]]:
    shapes = {UNET + name: shape for name, shape in denoiser_layout(unet)}
    if vae:
        shapes |= {VAE + name: shape for name, shape in autoencoder_layout(AUTOENCODER)}
    for text in texts:
        shapes |= {text.prefix + name: shape for name, shape in layout_of(text)}
    return shapes


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(map(math.prod, shapes.values()))


@pytest.fixture
def facts(tmp_path: Path) -> Callable[..., CheckpointFacts]:
    def read(shapes: Shapes, metadata: dict[str, str] | None = None, yaml: str | None = None, dtype: str = "F16") -> CheckpointFacts:
        if yaml is not None:
            (tmp_path / "model.yaml").write_text(yaml)
        return read_facts(write_shapes(tmp_path / "model.safetensors", shapes, metadata, dtype))

    return read


@pytest.mark.parametrize(
    ("unet", "millions"), [(SD2_UNET, 865.9), (SDXL_UNET, 2567.5), (SSD_1B, 1331.3), (VEGA, 745.2), (REFINER_UNET, 2259.5)]
)  # fmt: skip
def test_layouts_have_the_published_numbers_of_parameters(unet: DenoiserSizes, millions: float) -> None:
    """SDXL 2.6, SSD-1B 1.3, Vega 0.74, the refiner 2.3 thousand millions (their model cards), SD2 866 million."""
    assert parameters(shapes_of(unet, vae=False)) / 1e6 == pytest.approx(millions, abs=0.05)


def test_text_encoders_have_the_published_numbers_of_parameters() -> None:
    counts = [sum(math.prod(shape) for _, shape in layout_of(text)) for text in (CLIP_L, CLIP_G)]
    assert counts == [123_060_480, 694_659_840]


@pytest.mark.parametrize(
    ("shapes", "family", "title", "unet", "texts"),
    [
        (shapes_of(SD2_UNET, CLIP_H), "sd2", "Stable Diffusion 2", SD2_UNET, (CLIP_H,)),
        (shapes_of(SDXL_UNET, CLIP_L, CLIP_G), "sdxl", "SDXL", SDXL_UNET, (CLIP_L, CLIP_G)),
        (shapes_of(SSD_1B, CLIP_L, CLIP_G), "sdxl", "SSD-1B", SSD_1B, (CLIP_L, CLIP_G)),
        (shapes_of(VEGA, CLIP_L, CLIP_G), "sdxl", "Segmind Vega", VEGA, (CLIP_L, CLIP_G)),
        (shapes_of(REFINER_UNET, REFINER_TEXT), "sdxl-refiner", "SDXL refiner", REFINER_UNET, (REFINER_TEXT,)),
    ],
)
def test_full_size_families(
    facts: Callable[..., CheckpointFacts], shapes: Shapes, family: str, title: str, unet: DenoiserSizes, texts: tuple[TextSizes, ...]
) -> None:
    found = facts(shapes)
    assert (found.family, found.family_title, found.denoiser, found.texts) == (family, title, unet, texts)
    assert found.autoencoder.scale_factor == (0.18215 if family == "sd2" else 0.13025)


@pytest.mark.parametrize(
    ("unet", "texts", "title", "size_px"),
    [
        (SDXL_UNET, (CLIP_L, CLIP_G), "SDXL (inpainting)", 1024),
        (SSD_1B, (CLIP_L, CLIP_G), "SSD-1B (inpainting)", 1024),
        (SD2_UNET, (CLIP_H,), "Stable Diffusion 2 (inpainting)", 512),
    ],
)
def test_inpainting(
    facts: Callable[..., CheckpointFacts], unet: DenoiserSizes, texts: tuple[TextSizes, ...], title: str, size_px: int
) -> None:
    found = facts(shapes_of(replace(unet, in_channels=9), *texts))
    assert (found.family_title, found.concat_channels, found.prediction, found.native_size_px) == (title, 5, "epsilon", size_px)


@pytest.mark.parametrize(
    ("metadata", "yaml", "prediction", "size_px"),
    [
        (None, None, "v", 768),
        ({"modelspec.prediction_type": "epsilon"}, None, "epsilon", 512),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, None, "epsilon", 512),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, None, "v", 768),
        ({"ss_v_parameterization": "True"}, None, "v", 768),
        (None, "model: {params: {parameterization: v, image_size: 64}}", "v", 768),
        (None, "model: {params: {parameterization: eps, image_size: 64}}", "epsilon", 512),
    ],
)
def test_what_tells_sd2_at_768_from_512(
    facts: Callable[..., CheckpointFacts], metadata: dict[str, str] | None, yaml: str | None, prediction: str, size_px: int
) -> None:
    found = facts(shapes_of(SD2_UNET, CLIP_H), metadata, yaml)
    assert (found.prediction, found.native_size_px) == (prediction, size_px)


V_YAML = "model: {params: {network_config: {}, denoiser_config: {params: {scaling_config: {target: a.b.VScaling}}}}}"


@pytest.mark.parametrize(
    ("keys", "metadata", "yaml", "prediction", "zero"),
    [
        ((), None, None, "epsilon", False),
        (("v_pred",), None, None, "v", False),
        (("v_pred", "ztsnr"), {"modelspec.prediction_type": "epsilon"}, None, "v", True),
        ((), {"modelspec.prediction_type": "v", "ss_zero_terminal_snr": "True"}, None, "v", True),
        ((), None, V_YAML, "v", False),
    ],
)
def test_how_sdxl_says_what_it_predicts(
    facts: Callable[..., CheckpointFacts], keys: tuple[str, ...], metadata: dict[str, str] | None, yaml: str | None,
    prediction: str, zero: bool,
) -> None:  # fmt: skip
    found = facts({**shapes_of(SDXL_UNET, CLIP_L, CLIP_G), **dict.fromkeys(keys, (0,))}, metadata, yaml)
    assert (found.prediction, found.zero_terminal_snr) == (prediction, zero)


def test_a_checkpoint_without_vae_says_which_to_get(facts: Callable[..., CheckpointFacts]) -> None:
    found = facts(shapes_of(SDXL_UNET, CLIP_L, CLIP_G, vae=False))
    assert found.vae_to_get is not None and "sdxl_vae.safetensors" in found.vae_to_get
    assert found.autoencoder == AUTOENCODER


def test_a_refiner_has_an_aesthetic_score_and_the_base_a_target_size(facts: Callable[..., CheckpointFacts]) -> None:
    base, refiner = facts(shapes_of(SDXL_UNET, CLIP_L, CLIP_G)), facts(shapes_of(REFINER_UNET, REFINER_TEXT))
    assert (base.vector_width, refiner.vector_width) == (1280 + 6, 1280 + 5)
    assert refiner.rules.told[-1] == "aesthetic score" and base.rules.told[-2:] == ("target height", "target width")


@pytest.mark.parametrize(
    ("title", "start"),
    [("Juggernaut XL Lightning", "8 steps, CFG 1"), ("SDXL Turbo 1.0", "4 steps, CFG 1"), ("A model (LCM)", "6 steps, CFG 1.5")],
)
def test_what_to_begin_with_where_few_steps_are_enough(facts: Callable[..., CheckpointFacts], title: str, start: str) -> None:
    hint = facts(shapes_of(SDXL_UNET, CLIP_L, CLIP_G), {"modelspec.title": title}).usage_hint
    assert hint is not None and start in hint
    own = {"modelspec.title": title, "modelspec.usage_hint": "30 steps"}
    assert facts(shapes_of(SDXL_UNET, CLIP_L, CLIP_G), own).usage_hint == "30 steps"


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_eight_bit_storage(facts: Callable[..., CheckpointFacts], dtype: str) -> None:
    assert facts(tiny_shapes("sdxl", "sdxl"), TINY_HINTS, dtype=dtype).storage == "fp8"


TINY_HINTS = {"darkroom.num_head_channels": "16", "darkroom.text_heads": "4", "darkroom.text_heads_2": "6"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: {k: v for k, v in s.items() if "embedders.1" not in k}, "has no second text encoder"),
        (lambda s: {k: v for k, v in s.items() if "embedders" not in k}, "no first text encoder and no second text encoder"),
        (lambda s: {k: v for k, v in s.items() if "ln_final.bias" not in k}, "The second text encoder is not complete"),
        (lambda s: {k: v for k, v in s.items() if "text_projection" not in k}, "embedders.1.model.text_projection is missing"),
        (lambda s: {**s, f"{UNET}label_emb.0.0.weight": (128, 1600)}, "takes a vector of width 1600 beside the time"),
        (lambda s: {**s, f"{UNET}input_blocks.0.0.weight": (32, 5, 3, 3)}, "Darkroom knows SDXL with 4 and 9"),
        (lambda s: {**s, "edm_mean": (4,)}, "This is Playground 2.5"),
        (lambda s: {**s, f"{UNET}scaled_fp8": (0,)}, "scaled 8-bit numbers"),
        (lambda s: {k: v for k, v in s.items() if not k.startswith(f"{UNET}middle_block.2.")}, "and 9 more are missing"),
    ],
)
def test_what_cannot_be_loaded_and_why(facts: Callable[..., CheckpointFacts], change: Callable[[Shapes], Shapes], says: str) -> None:
    with pytest.raises(BadModelFile) as caught:
        facts(change(tiny_shapes("sdxl", "sdxl")), TINY_HINTS)
    assert says in str(caught.value)
