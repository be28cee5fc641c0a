"""What full-size networks need: the memory model against counts of their tensors, and what fits into small cards."""

from collections.abc import Iterator

import pytest
import torch
from diffusers import UNet2DConditionModel

from app.engine.memory import (
    MemoryModel,
    decode_bytes,
    encode_bytes,
    forward_bytes,
    least_work,
    placement_for,
)
from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.networks import autoencoder
from app.networks.bands import in_bands
from app.networks.build import Networks, build_networks
from app.networks.denoiser import predict
from app.networks.offload import Placement
from tests.support.accounting import Accounting

GB = 2**30
USABLE = 0.9
"""Of a card: the rest is the driver's and lost between blocks."""
SD1 = CheckpointFacts(
    family="sd1", family_title="", prediction="epsilon", native_size_px=512, linear_start=0.00085, linear_end=0.012,
    denoiser=DenoiserSizes(in_channels=4, out_channels=4, model_channels=320, channel_mult=(1, 2, 4, 4), res_blocks=2,
                           depths=((1, 1),) * 3 + ((0, 0),), up_depths=((1, 1, 1),) * 3 + ((0, 0, 0),), middle_depth=1, heads=(8,) * 4,
                           context_width=768),
    autoencoder=AutoencoderSizes(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=4, scale_factor=0.18215),
    texts=(TextSizes(vocabulary=49408, positions=77, width=768, layers=12, heads=12, mlp_width=3072),),
    norm_groups=32, storage="fp16", concat_channels=0,
)  # fmt: skip
SDXL_TEXT = 123_060_480 + 694_659_840
"""Numbers in SDXL's two text encoders (CLIP-L and OpenCLIP bigG)."""


@pytest.fixture(scope="module")
def sd1() -> Iterator[Networks]:
    yield build_networks(SD1)


@pytest.fixture(scope="module")
def sdxl() -> UNet2DConditionModel:
    """SDXL's denoiser as published (without the added embeddings, which are a rounding error), on the meta device."""
    with torch.device("meta"):
        made = UNet2DConditionModel(
            sample_size=128, block_out_channels=(320, 640, 1280), layers_per_block=2, cross_attention_dim=2048,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), use_linear_projection=True,
        )  # fmt: skip
    return made.eval().requires_grad_(False)


SDXL = CheckpointFacts(**{
    **vars(SD1), "native_size_px": 1024,
    "denoiser": DenoiserSizes(in_channels=4, out_channels=4, model_channels=320, channel_mult=(1, 2, 4), res_blocks=2,
                              depths=((0, 0), (2, 2), (10, 10)), up_depths=((0, 0, 0), (2, 2, 2), (10, 10, 10)), middle_depth=10,
                              heads=(5, 10, 20), context_width=2048),
})  # fmt: skip
"""As far as the memory model looks."""


def forward_peak(unet: torch.nn.Module, rows: int, side: int, width: int, dtype: torch.dtype) -> int:
    unet.to(dtype)
    x, context = torch.empty(rows, 4, side, side, device="meta", dtype=dtype), torch.empty(rows, 77, width, device="meta", dtype=dtype)
    with torch.no_grad(), Accounting() as accounting:
        predict(unet, x, torch.empty(rows, device="meta"), context)
    return accounting.peak


@pytest.mark.parametrize(("rows", "side"), [(1, 64), (2, 64), (8, 64), (2, 96), (1, 128)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_model_of_a_forward_is_what_sd1s_tensors_take(sd1: Networks, rows: int, side: int, dtype: torch.dtype) -> None:
    counted = forward_peak(sd1.denoiser, rows, side, 768, dtype)
    assert forward_bytes(SD1, rows, side, side, dtype.itemsize) == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize(("rows", "side"), [(1, 128), (2, 128), (2, 64)])
def test_the_model_of_a_forward_is_what_sdxls_tensors_take(sdxl: UNet2DConditionModel, rows: int, side: int) -> None:
    counted = forward_peak(sdxl, rows, side, 2048, torch.float16)
    assert forward_bytes(SDXL, rows, side, side, 2) == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_the_model_of_decodes_and_encodes_is_what_the_autoencoders_tensors_take(sd1: Networks, side: int) -> None:
    vae = sd1.autoencoder.to(torch.float16)
    with torch.no_grad(), Accounting() as decoding:
        autoencoder._decoder(vae.decoder, vae.post_quant_conv(torch.empty(1, 4, side, side, device="meta", dtype=torch.float16)))
    with torch.no_grad(), Accounting() as encoding:
        autoencoder._encoder(vae.encoder, torch.empty(1, 3, 8 * side, 8 * side, device="meta", dtype=torch.float16))
    assert decode_bytes(SD1, 1, side, side, 2) == pytest.approx(decoding.peak, rel=0.01)
    assert encode_bytes(SD1, 1, side, side, 2) == pytest.approx(encoding.peak, rel=0.01)


def half_bytes(*modules: torch.nn.Module) -> list[int]:
    return [2 * sum(weight.numel() for weight in module.parameters()) for module in modules]


def test_sd1_runs_in_4_gb_whole_at_its_native_size(sd1: Networks) -> None:
    denoiser, vae, text = half_bytes(sd1.denoiser, sd1.autoencoder, sd1.texts[0])
    budget = int(4 * GB * USABLE)
    weights = {"denoiser": denoiser, "autoencoder": vae, "text": text}
    assert placement_for(weights, least_work(SD1, 2), budget) is Placement.WHOLE
    free = budget - sum(weights.values())
    model = MemoryModel(2)
    assert model.rows_that_fit(SD1, 64, 64, free) >= 8
    assert model.pictures_that_fit(SD1, 64, 64, free) >= 1  # no tiles needed
    assert forward_peak(sd1.denoiser, 2, 64, 768, torch.float16) + sum(weights.values()) < budget


def test_sdxl_runs_in_6_gb_one_network_at_a_time(sd1: Networks, sdxl: UNet2DConditionModel) -> None:
    denoiser, vae = half_bytes(sdxl, sd1.autoencoder)
    budget = int(6 * GB * USABLE)
    weights = {"denoiser": denoiser, "autoencoder": vae, "text": 2 * SDXL_TEXT}
    assert placement_for(weights, least_work(SDXL, 2), budget) is Placement.PARTS
    assert denoiser + forward_peak(sdxl, 2, 128, 2048, torch.float16) < budget
    model = MemoryModel(2)
    assert model.rows_that_fit(SDXL, 128, 128, budget - denoiser) >= 1
    assert model.pictures_that_fit(SDXL, 128, 128, budget - vae) >= 1


def test_where_the_denoiser_does_not_fit_it_is_streamed() -> None:
    weights = {"denoiser": 5 * GB, "autoencoder": GB // 6, "text": GB}
    assert placement_for(weights, {"denoiser": GB // 2, "autoencoder": GB}, 4 * GB) is Placement.STREAM


def test_a_decode_that_does_not_fit_is_told() -> None:
    model = MemoryModel(2)
    assert model.pictures_that_fit(SD1, 256, 256, 4 * GB) == 0
    assert model.pictures_that_fit(SD1, 64, 64, 4 * GB) > 4
    assert model.rows_that_fit(SD1, 1024, 1024, GB) == 1  # trying tells


def test_pictures_are_decoded_together_as_far_as_no_bands_are_needed() -> None:
    on_a_cpu, on_a_card = MemoryModel(4, in_bands=True), MemoryModel(2)
    together = on_a_cpu.pictures_that_pay(SD1, 8, 8, 16)
    one = torch.empty(1, SD1.autoencoder.channels, 64, 64)
    assert not in_bands(one.expand(together, -1, -1, -1).contiguous()) and in_bands(one.expand(together + 1, -1, -1, -1).contiguous())
    assert on_a_cpu.pictures_that_pay(SD1, 64, 64, 16) == 1
    assert on_a_cpu.pictures_that_pay(SD1, 8, 8, 2) == 2 and on_a_card.pictures_that_pay(SD1, 64, 64, 16) == 16


def test_what_is_measured_corrects_the_model() -> None:
    model = MemoryModel(2)
    before = model.rows_that_fit(SD1, 64, 64, 4 * GB)
    model.correct("forward", 1000, 2500)
    after = model.rows_that_fit(SD1, 64, 64, 4 * GB)
    assert after < before / 1.9
    model.correct("forward", 1000, 1000)  # a forward that took less says nothing about the next one
    assert model.rows_that_fit(SD1, 64, 64, 4 * GB) == after
