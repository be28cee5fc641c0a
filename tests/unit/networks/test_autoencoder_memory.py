"""The autoencoder's two ways around the plain forward: bands for big pictures, float32 where half precision overflows."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.networks import Checkpoint, bands, load_checkpoint

from .conftest import model_file


def latents(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(11))


@pytest.mark.parametrize(("n", "height", "width", "band_bytes"), [(1, 8, 8, 1), (2, 5, 7, 9000), (1, 12, 8, 50_000)])
def test_bands_compute_what_the_whole_does(
    tiny_a: Checkpoint, monkeypatch: pytest.MonkeyPatch, n: int, height: int, width: int, band_bytes: int
) -> None:
    """From one row a band to a few bands a picture, with heights that bands do not divide."""
    z = latents(n, 4, height, width)
    whole = tiny_a.decode(z)
    encoded = tiny_a.encode_image(whole.clamp(-1, 1))
    monkeypatch.setattr(bands, "BAND_BYTES", band_bytes)
    assert bands.in_bands(z) is (z.nbytes > band_bytes)
    assert (tiny_a.decode(z) - whole).abs().max() < 1e-4 * whole.abs().max()
    assert (tiny_a.encode_image(whole.clamp(-1, 1)) - encoded).abs().max() < 1e-4 * encoded.abs().max()


def test_bands_are_left_out_where_they_do_not_help() -> None:
    big = torch.empty(1, 64, 512, 512, device="meta")
    assert not bands.in_bands(torch.empty(1, 4, 8, 8))
    assert not bands.in_bands(big)  # another device
    assert not bands.in_bands(torch.empty(1, 128, 512, 512, dtype=torch.float16))


def test_a_row_that_overflows_in_half_precision_is_decoded_again(checkpoints: Path, tiny_a: Checkpoint) -> None:
    half = load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float16)
    z = latents(2, 4, 8, 8)
    alone = half.decode(z[:1])
    z[1] *= 30_000  # beyond fp16's 65504 once divided by the scale factor
    answer = half.decode(z)
    assert torch.isfinite(answer).all()
    full = tiny_a.decode(z[1:])
    assert (answer[1:] - full).abs().max() < 1e-4 * full.abs().max()
    assert (answer[:1] - alone).abs().max() < 0.01 * alone.abs().max()  # the other row is still half precision's
    assert half.nbytes * 2 == tiny_a.nbytes  # and the weights are back in it
    assert torch.equal(half.decode(z[:1]), alone)


def test_latents_that_are_not_finite_stay_so(checkpoints: Path) -> None:
    half = load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float16)
    z = latents(2, 4, 8, 8)
    z[0, 0, 0, 0] = torch.nan
    finite = torch.isfinite(half.decode(z)).flatten(1).all(dim=1)
    assert finite.tolist() == [False, True]
