"""Facts of checkpoints: sizes from shapes, the rest from metadata, yaml or the family, and a sentence for everything else."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.models import EMBEDDED
from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.models.families.autoencoder import _layout as autoencoder_layout
from app.models.families.denoiser import _layout as denoiser_layout
from app.models.families.text_encoder import layout_of as text_layout
from app.models.reading import read_facts
from app.schema.errors import BadModelFile
from tests.support.model_files import Shapes, tiny_shapes, torch_file, write_shapes, zeros
from tests.support.paths import ROOT

POCKET = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
HINTS = {"darkroom.text_heads": "4"}


def problem(path: Path) -> str:
    with pytest.raises(BadModelFile) as caught:
        read_facts(path)
    return str(caught.value)


@pytest.fixture(scope="module")
def sd1() -> dict[str, tuple[int, ...]]:
    return tiny_shapes("sd1", "sd1")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(shapes: Shapes, metadata: dict[str, str] | None = None, yaml: str | bytes | None = None, dtype: str = "F16") -> Path:
        if yaml is not None:
            (tmp_path / "model.yaml").write_bytes(yaml if isinstance(yaml, bytes) else yaml.encode())
        return write_shapes(tmp_path / "model.safetensors", shapes, metadata, dtype)

    return write


TINY_DENOISER = DenoiserSizes(
    in_channels=4,
    out_channels=4,
    model_channels=32,
    channel_mult=(1, 2, 2, 2),
    res_blocks=2,
    depths=((1, 1),) * 3 + ((0, 0),),
    up_depths=((1, 1, 1),) * 3 + ((0, 0, 0),),
    middle_depth=1,
    heads=(8,) * 4,
    context_width=64,
)
TINY_AUTOENCODER = AutoencoderSizes(channels=32, channel_mult=(1, 1, 2, 2), res_blocks=2, latent_channels=4, scale_factor=0.18215)
TINY_TEXT = TextSizes(vocabulary=49408, positions=77, width=64, layers=3, heads=4, mlp_width=128)


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize(
    ("file", "title", "prediction", "in_channels", "native_size_px", "storage"),
    [
        ("tiny-a.safetensors", "Stable Diffusion 1", "epsilon", 4, 64, "fp16"),
        ("tiny-v.safetensors", "Stable Diffusion 1", "v", 4, 64, "fp16"),
        ("tiny-inpaint.safetensors", "Stable Diffusion 1 (inpainting)", "epsilon", 9, 64, "fp16"),
        ("tiny-ip2p.safetensors", "Stable Diffusion 1 (InstructPix2Pix)", "epsilon", 8, 64, "fp16"),
        ("tiny-a-ema.safetensors", "Stable Diffusion 1", "epsilon", 4, 64, "fp32"),
        ("tiny-a-copy.ckpt", "Stable Diffusion 1", "epsilon", 4, 512, "fp16"),
    ],
)
def test_tiny_checkpoints(
    tiny_models: Path, file: str, title: str, prediction: str, in_channels: int, native_size_px: int, storage: str
) -> None:
    facts = read_facts(tiny_models / "models" / "Stable-diffusion" / file)
    assert (facts.family, facts.family_title, facts.prediction, facts.native_size_px) == ("sd1", title, prediction, native_size_px)
    assert (facts.storage, facts.norm_groups, facts.linear_start, facts.linear_end) == (storage, 32, 0.00085, 0.012)
    assert facts.denoiser.in_channels - facts.concat_channels == 4 and facts.denoiser.in_channels == in_channels
    assert facts.denoiser == DenoiserSizes(**{**vars(TINY_DENOISER), "in_channels": in_channels})
    assert (facts.autoencoder, facts.texts) == (TINY_AUTOENCODER, (TINY_TEXT,))


def test_the_embedded_checkpoint() -> None:
    facts = read_facts(POCKET)
    assert (facts.family_title, facts.prediction, facts.native_size_px, facts.storage) == ("Stable Diffusion 1", "epsilon", 128, "fp16")
    assert (facts.denoiser.model_channels, facts.denoiser.channel_mult, facts.denoiser.context_width) == (64, (1, 2, 3, 3), 96)
    assert facts.autoencoder == AutoencoderSizes(
        channels=64, channel_mult=(1, 1, 2, 2), res_blocks=1, latent_channels=4, scale_factor=0.18215
    )
    assert (facts.texts[0].heads, facts.texts[0].layers, facts.texts[0].mlp_width) == (3, 4, 384)
    assert facts.title == EMBEDDED and facts.usage_hint is not None and "128x128" in facts.usage_hint
    assert facts.description is not None
    told = re.search(r" It draws about (\d+) things, such as [^.]+, [^.]+, [^.]+\.$", facts.description)
    assert told is not None and int(told[1]) >= 714, "three fifths of the concepts"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("models/Stable-diffusion/tiny-c.vae.safetensors", "This is a VAE and no checkpoint. Move it to models/VAE."),
        ("models/VAE/tiny-pickle.vae.pt", "This is a VAE"),
        *((f"models/Lora/{name}.safetensors", "This is a LoRA and no checkpoint. Move it to models/Lora.") for name in (
            "lin", "locon", "locon-mid", "loha", "loha-tucker", "lokr-full", "lokr-lowrank", "dora", "ia3", "full-diff", "glora", "oft"
        )),
        ("models/Lora/lin-pickle.pt", "This is a LoRA"),
        ("models/hypernetworks/hyper.pt", "This is a hypernetwork and no checkpoint. Move it to models/hypernetworks."),
        ("embeddings/tinymany.safetensors", "This is an embedding"),
    ],
)  # fmt: skip
def test_real_files_of_other_kinds(tiny_models: Path, file: str, says: str) -> None:
    assert says in problem(tiny_models / file)


# ---------------------------------------------------------------- sizes


def test_the_full_size_has_the_published_numbers_of_parameters() -> None:
    """859.52 million in the UNet, 123.06 in the text encoder, 83.65 in the autoencoder (model card of Stable Diffusion 1.5)."""
    unet = DenoiserSizes(**{**vars(TINY_DENOISER), "model_channels": 320, "channel_mult": (1, 2, 4, 4), "context_width": 768})
    vae = AutoencoderSizes(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=4, scale_factor=0.18215)
    text = TextSizes(vocabulary=49408, positions=77, width=768, layers=12, heads=12, mlp_width=3072)
    counts = [
        sum(math.prod(shape) for _, shape in layout) for layout in (denoiser_layout(unet), autoencoder_layout(vae), text_layout(text))
    ]
    assert counts == [859_520_964, 83_653_863, 123_060_480]


def full_size() -> dict[str, tuple[int, ...]]:
    unet = DenoiserSizes(**{**vars(TINY_DENOISER), "model_channels": 320, "channel_mult": (1, 2, 4, 4), "context_width": 768})
    vae = AutoencoderSizes(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=4, scale_factor=1.0)
    text = TextSizes(vocabulary=49408, positions=77, width=768, layers=12, heads=12, mlp_width=3072)
    return {
        **{UNET + name: shape for name, shape in denoiser_layout(unet)},
        **{VAE + name: shape for name, shape in autoencoder_layout(vae)},
        **{f"{TEXT}text_model.{name}": shape for name, shape in text_layout(text)},
    }


def test_a_full_size_file_without_any_hint_gets_the_familys_numbers(written: Callable[..., Path]) -> None:
    facts = read_facts(written({**full_size(), "model_ema.decay": (1,), f"{VAE}loss.logvar": (1,)}))
    assert (facts.denoiser.heads[0], facts.texts[0].heads, facts.texts[0].activation, facts.norm_groups) == (8, 12, "quick_gelu", 32)
    assert (facts.native_size_px, facts.prediction, facts.autoencoder.scale_factor) == (512, "epsilon", 0.18215)
    assert (facts.denoiser.channel_mult, facts.autoencoder.channel_mult) == ((1, 2, 4, 4), (1, 2, 4, 4))


def test_a_pruned_variant_with_one_block_a_level(written: Callable[..., Path]) -> None:
    unet = DenoiserSizes(**{**vars(TINY_DENOISER), "res_blocks": 1, "channel_mult": (1, 2, 4), "heads": (8,) * 3,
                            "depths": ((0,), (1,), (1,)), "up_depths": ((0, 0), (1, 1), (1, 1))})  # fmt: skip
    shapes = {f"{UNET}{name}": shape for name, shape in denoiser_layout(unet)}
    rest = {name: shape for name, shape in tiny_shapes("sd1", "sd1").items() if not name.startswith(UNET)}
    assert read_facts(written({**shapes, **rest}, HINTS)).denoiser == unet


def test_text_encoders_as_old_transformers_named_them(written: Callable[..., Path], sd1: Shapes) -> None:
    renamed = {name.replace(".text_model.", "."): shape for name, shape in sd1.items()}
    assert read_facts(written(renamed, HINTS)).texts == (replace(TINY_TEXT, prefix=TEXT),)


def test_attention_of_the_autoencoder_may_be_linear(written: Callable[..., Path], sd1: Shapes) -> None:
    linear = {name: shape[:2] if ".mid.attn_1." in name else shape for name, shape in sd1.items()}
    assert read_facts(written(linear, HINTS)).autoencoder == TINY_AUTOENCODER


@pytest.mark.parametrize(("dtype", "storage"), [("F16", "fp16"), ("BF16", "bf16"), ("F32", "fp32")])
def test_number_formats(written: Callable[..., Path], sd1: Shapes, dtype: str, storage: str) -> None:
    assert read_facts(written(sd1, HINTS, dtype=dtype)).storage == storage


def test_double_precision_is_refused(written: Callable[..., Path], sd1: Shapes) -> None:
    assert problem(written(sd1, HINTS, dtype="F64")) == "The denoiser is stored as F64; Darkroom loads F16, BF16, F32 and F8."


# ---------------------------------------------------------------- parts missing or of another layout


@pytest.mark.parametrize(
    ("prefixes", "says"),
    [
        ([TEXT], "This Stable Diffusion 1 checkpoint has no text encoder: it is a part of one, and not whole."),
        ([VAE, TEXT], "has no text encoder:"),
        ([UNET], "This is a VAE and no checkpoint."),
        ([UNET, VAE], "This is a text encoder and no whole checkpoint"),
        ([f"{VAE}encoder."], "The autoencoder is not complete: first_stage_model.encoder.conv_in.weight is missing."),
        ([f"{UNET}out.2.weight"], "The denoiser is not complete: model.diffusion_model.out.2.weight is missing."),
        ([f"{UNET}time_embed.2."], "model.diffusion_model.time_embed.2.weight and 1 more are missing."),
        ([f"{UNET}input_blocks.4.0.in_layers.2.weight"], "The denoiser has a layout that is not known"),
        ([f"{UNET}input_blocks.4.1."], "the attention differs within it"),
        ([f"{UNET}input_blocks.3.0.op.weight"], "its way up has attention elsewhere than its way down"),
        ([f"{TEXT}text_model.final_layer_norm.bias"], "The text encoder is not complete"),
        ([f"{UNET}middle_block.1.proj_in.weight"], "model.diffusion_model.middle_block.1.proj_in.weight is missing"),
    ],
)
def test_missing_parts(written: Callable[..., Path], sd1: Shapes, prefixes: list[str], says: str) -> None:
    left = {name: shape for name, shape in sd1.items() if not name.startswith(tuple(prefixes))}
    assert says in problem(written(left, HINTS))


def test_averaged_weights_alone_are_no_checkpoint(written: Callable[..., Path]) -> None:
    ema = {name: shape for name, shape in tiny_shapes("sd1", "sd1-ema").items() if name.startswith("model_ema.")}
    assert "has no text encoder: it is a part of one" in problem(written(ema))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({f"{UNET}input_blocks.0.0.weight": (32, 7, 3, 3)}, "takes 7 channels; Darkroom knows Stable Diffusion 1 with 4, 8 and 9"),
        ({f"{UNET}out.2.weight": (3, 32, 3, 3), f"{UNET}out.2.bias": (3,)}, "gives 3 channels, the autoencoder takes 4"),
        ({f"{UNET}input_blocks.0.0.weight": (32, 4)}, "has the shape [32, 4]"),
        ({f"{UNET}input_blocks.0.0.weight": (0, 4, 3, 3)}, "has the shape [0, 4, 3, 3]"),
        ({f"{UNET}input_blocks.4.0.in_layers.2.weight": (96, 32, 3, 3)}, "the width differs within it"),
        ({f"{UNET}time_embed.0.weight": (128, 33)}, "has the shape [128, 33] and not [128, 32]"),
        ({f"{UNET}input_blocks.0.0.weight": (24, 4, 3, 3)}, "its width 32 is no multiple of 24"),
        ({f"{VAE}encoder.conv_in.weight": (48, 3, 3, 3)}, "are no multiples of 48"),
        ({f"{VAE}encoder.down.1.attn.0.q.weight": (32, 32, 1, 1)}, "it has attention outside its middle"),
    ],
)
def test_other_layouts(written: Callable[..., Path], sd1: Shapes, changes: Shapes, says: str) -> None:
    assert says in problem(written({**sd1, **changes}, HINTS))


def test_networks_that_do_not_fit_each_other(written: Callable[..., Path], sd1: Shapes) -> None:
    narrow = TextSizes(vocabulary=100, positions=77, width=32, layers=1, heads=1, mlp_width=64)
    others = {name: shape for name, shape in sd1.items() if not name.startswith(TEXT)}
    text = {f"{TEXT}text_model.{name}": shape for name, shape in text_layout(narrow)}
    assert "takes texts of width 64, the text encoder gives 32" in problem(written({**others, **text}))


def test_a_denoiser_without_text_attention_on_its_way(written: Callable[..., Path]) -> None:
    unet = DenoiserSizes(**{**vars(TINY_DENOISER), "depths": ((0, 0),) * 4, "up_depths": ((0, 0, 0),) * 4})
    rest = {name: shape for name, shape in tiny_shapes("sd1", "sd1").items() if not name.startswith(UNET)}
    assert "a family that Darkroom does not know" in problem(written({**{UNET + n: s for n, s in denoiser_layout(unet)}, **rest}))


# ---------------------------------------------------------------- other families by their tensors


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["double_blocks.0.img_attn.norm.key_norm.scale"], "This is a FLUX checkpoint; Darkroom does not load that family yet."),
        (["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"], "This is a FLUX checkpoint"),
        (["double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.weight"], "This is a Chroma checkpoint"),
        (["double_blocks.0.img_attn.qkv.weight", "double_stream_modulation_img.lin.weight"], "This is a FLUX.2 checkpoint"),
        (["model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight"], "This is a Stable Diffusion 3 checkpoint"),
        (["transformer_blocks.0.img_mod.1.weight"], "This is a Qwen-Image checkpoint"),
        (["down_blocks.0.resnets.0.conv1.weight", "conv_in.weight"], "a denoiser in diffusers' layout and no whole checkpoint"),
        (["decoder.mid_block.resnets.0.conv1.weight"], "This is a VAE"),
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "This is a text encoder and no whole checkpoint"),
        (["encoder.block.0.layer.0.SelfAttention.q.weight"], "This is a text encoder"),
        (["control_model.input_blocks.0.0.weight"], "This is a ControlNet"),
        (["model.1.sub.0.RDB1.conv1.0.weight", "model.0.weight"], "This is an upscaler and no checkpoint. Move it to models/ESRGAN."),
        (["model.diffusion_model.input_blocks.4.1.transformer_blocks.1.norm1.weight"], "This is a diffusion model of a family"),
        (["fc.weight"], "This is no checkpoint of a family that Darkroom knows."),
        ([], "holds no tensors"),
    ],
)  # fmt: skip
def test_names_that_tell_what_a_file_is(written: Callable[..., Path], names: list[str], says: str) -> None:
    assert says in problem(written(dict.fromkeys(names, (2, 2))))


def test_a_pickle_of_another_family(tmp_path: Path) -> None:
    path = tmp_path / "flux.ckpt"
    path.write_bytes(torch_file({"state_dict": {"double_blocks.0.img_attn.qkv.weight": zeros(2, 2)}}))
    assert "FLUX" in problem(path)


def test_a_checkpoint_by_any_name(tiny_models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sdxl-flux-lora.vae.safetensors"
    copy.symlink_to(tiny_models / "models" / "Stable-diffusion" / "tiny-a.safetensors")
    assert isinstance(read_facts(copy), CheckpointFacts)
