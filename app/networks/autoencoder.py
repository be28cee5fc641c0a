"""Pictures to latents and back, through diffusers' AutoencoderKL, with a way out where half precision overflows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from app.networks.bands import normed_convolution, residual, upsampled_convolution
from app.networks.heap import give_back

BIG_PICTURE_PX = 256 * 256
"""From here on a decode's maps are tens of megabytes each."""
TILE = 64
"""Side of a tile in latents; a quarter of it overlaps its neighbour and is blended with it."""
OVERLAP = 0.25
LOG_VARIANCES = -30.0, 20.0
"""Between which CompVis' code keeps them."""


def encode(vae: Any, images: Tensor, *, tiled: bool = False) -> Tensor:
    """(n, 3, H, W) in -1..1 to the encoder's distribution, (n, 2 * channels, H/8, W/8) float32: means, then standard deviations."""
    mean, log_variance = _moments(vae, images, tiled=tiled).chunk(2, dim=1)
    return torch.cat([mean, torch.exp(0.5 * log_variance.clamp(*LOG_VARIANCES))], dim=1)


def _moments(vae: Any, images: Tensor, *, tiled: bool) -> Tensor:
    if tiled:
        _set_tiles(vae)
        return _finite(vae, lambda x: vae._tiled_encode(x), images)
    return _finite(vae, lambda x: vae.quant_conv(_encoder(vae.encoder, x)), images)


def decode(vae: Any, latents: Tensor, *, tiled: bool = False) -> Tensor:
    """Unscaled latents (n, channels, h, w) to pictures (n, 3, 8h, 8w), float32, about -1..1.

    `tiled`: diffusers' way, in overlapping tiles that are blended: memory of one tile, whatever the picture's size.

    Rows that are not finite are decoded once more in float32. Only those rows: what a picture looks like depends neither on the
    pictures beside it nor on those decoded before. A row that is still not finite (its latents were not) is returned as it is.
    """
    if latents.device.type == "cpu" and 64 * latents.shape[-2] * latents.shape[-1] >= BIG_PICTURE_PX:
        give_back()
    if tiled:
        _set_tiles(vae)
        return _finite(vae, lambda z: vae.tiled_decode(z).sample, latents)
    return _finite(vae, lambda z: _decoder(vae.decoder, vae.post_quant_conv(z)), latents)


def _set_tiles(vae: Any) -> None:
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    vae.tile_latent_min_size, vae.tile_sample_min_size, vae.tile_overlap_factor = TILE, scale * TILE, OVERLAP


def _encoder(encoder: Any, hidden: Tensor) -> Tensor:
    hidden = encoder.conv_in(hidden)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            hidden = residual(resnet, hidden)
        for downsampler in block.downsamplers or ():
            hidden = downsampler(hidden)
    return normed_convolution(encoder.conv_norm_out, encoder.conv_out, encoder.mid_block(hidden))


def _decoder(decoder: Any, hidden: Tensor) -> Tensor:
    hidden = decoder.mid_block(decoder.conv_in(hidden))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            hidden = residual(resnet, hidden)
        for upsampler in block.upsamplers or ():
            hidden = upsampled_convolution(upsampler, hidden)
    return normed_convolution(decoder.conv_norm_out, decoder.conv_out, hidden)


def _finite(vae: Any, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    dtype = vae.dtype
    answer = run(x.to(dtype)).float()
    if dtype == torch.float32:
        return answer
    broken = ~torch.isfinite(answer).flatten(1).all(dim=1)
    if not bool(broken.any()):  # waits for the device; the answer is about to be fetched anyway
        return answer
    halves = {name: weight.data for name, weight in vae.named_parameters()}
    vae.float()
    try:
        answer[broken] = run(x[broken].float())
    finally:
        for name, weight in vae.named_parameters():
            weight.data = halves[name]  # the very tensors, which other checkpoints may share
    return answer
