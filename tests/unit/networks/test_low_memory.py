"""Weights that visit the device, and pictures in tiles: the same answers in less memory."""

from pathlib import Path

import pytest
import torch

from app.models import EMBEDDED
from app.networks import Checkpoint, autoencoder, load_checkpoint
from app.networks.adapters import Strength, read_lora
from tests.support.paths import ROOT

from .conftest import model_file
from .test_weights_loading import answers


def visiting(checkpoint: Checkpoint, *, streamed: bool) -> tuple[list[torch.Tensor], int]:
    before = [weight.data_ptr() for weight in checkpoint.weights]
    checkpoint.visit("cpu", streamed=streamed)
    made = answers(checkpoint)
    assert checkpoint._visits is not None
    peak = checkpoint._visits.peak_bytes
    checkpoint.to("cpu")
    assert [weight.data_ptr() for weight in checkpoint.weights] == before  # every weight is back where it lives
    return made, peak


def test_one_network_at_a_time(tiny_a: Checkpoint) -> None:
    whole = answers(tiny_a)
    made, peak = visiting(tiny_a, streamed=False)
    assert all(torch.equal(a, b) for a, b in zip(whole, made, strict=True))
    assert peak == max(tiny_a.part_bytes.values())


def hooks(checkpoint: Checkpoint) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in checkpoint._networks.denoiser.modules())


def test_the_denoiser_layer_by_layer(tiny_a: Checkpoint) -> None:
    whole, own_hooks = answers(tiny_a), hooks(tiny_a)
    made, peak = visiting(tiny_a, streamed=True)
    assert all(torch.equal(a, b) for a, b in zip(whole, made, strict=True))
    sizes = tiny_a.part_bytes
    assert peak == max(sizes["text"], sizes["autoencoder"])
    tiny_a.visit("cpu", streamed=True)
    tiny_a.denoise(torch.zeros(1, 4, 8, 8), torch.ones(1), torch.zeros(1, 77, 64))
    assert tiny_a._visits is not None and tiny_a._visits.peak_bytes < sizes["denoiser"] / 10
    tiny_a.to("cpu")
    assert hooks(tiny_a) == own_hooks


@pytest.mark.parametrize("streamed", [False, True])
def test_loras_of_visiting_weights_take_no_room_on_the_device(checkpoints: Path, tiny_models: Path, streamed: bool) -> None:
    own = load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float32)
    sets = [[Strength(read_lora(tiny_models / "models" / "Lora" / f"{name}.safetensors"), (name,), 0.7)] for name in ("lin", "lokr-full")]

    def drawn() -> list[torch.Tensor]:
        made = answers(own)
        for loras in (*sets, sets[0]):
            own.adapt_text(loras)
            own.adapt_denoiser(loras, ())
            made += answers(own)
        own.adapt_text(())
        own.adapt_denoiser((), ())
        return made + answers(own)

    whole = drawn()
    own.visit("cpu", streamed=streamed)
    answers(own)
    assert own._visits is not None
    plain = own._visits.peak_bytes
    made = drawn()
    assert own._visits.peak_bytes == plain
    assert all(torch.equal(a, b) for a, b in zip(whole, made, strict=True))
    assert not torch.equal(whole[0], whole[4]), "the LoRAs change something"


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    """The embedded checkpoint: tiles are about pictures, and random weights draw none."""
    return load_checkpoint(model_file(ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"), "cpu", torch.float32)


def discs(side: int) -> torch.Tensor:
    """(1, 3, side, side): coloured discs on white, across all tiles."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    picture = torch.ones(3, side, side)
    for n, (cx, cy) in enumerate([(0.3, 0.3), (0.72, 0.4), (0.45, 0.75), (0.8, 0.85)]):
        inside = (x - cx * side) ** 2 + (y - cy * side) ** 2 < (0.18 * side) ** 2
        picture[:, inside] = torch.tensor([0.9 - 0.5 * (n % 2), -0.6 + 0.4 * n, -0.8 + 0.5 * ((n + 1) % 3)])[:, None]
    return picture[None]


def test_tiles_draw_the_picture_without_seams(trained: Checkpoint) -> None:
    """A picture of two tiles either way: as whole pictures have it, and no steps where tiles meet (in A1111's 8-bit levels)."""
    side = 8 * (autoencoder.TILE + 16)
    picture = discs(side)
    scale = trained.facts.autoencoder.scale_factor
    latents = trained.encode_image(picture).chunk(2, dim=1)[0] * scale
    whole, tiled = trained.decode(latents), trained.decode(latents, tiled=True)
    assert tiled.shape == whole.shape
    difference = (tiled - whole) * 127.5
    assert float(difference.abs().mean()) < 2.0
    across = difference[..., 1:] - difference[..., :-1]
    assert float(across.abs().mean(dim=(0, 1, 2)).max()) < 2.0
    encoded = trained.encode_image(picture, tiled=True).chunk(2, dim=1)[0] * scale
    assert encoded.shape == latents.shape
    # An encoder's attention and norms look at the whole picture, a tile's at the tile; measured 0.066.
    assert float((encoded - latents).abs().mean()) < 0.1 * float(latents.std())


def test_a_picture_of_one_tile_is_the_same_in_tiles(tiny_a: Checkpoint) -> None:
    latents = torch.randn(2, 4, 16, 24, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(tiny_a.decode(latents, tiled=True), tiny_a.decode(latents), atol=1e-4, rtol=0)
