"""Sizes of an AutoencoderKL (CompVis' layout; Rombach et al. 2022) from the shapes of its tensors."""

from app.models.facts import AutoencoderSizes
from app.models.families.part import Layout, Part, weights


def autoencoder_sizes(part: Part, scale_factor: float) -> AutoencoderSizes:
    """Sizes of a complete autoencoder; BadModelFile if tensors are missing or not as the layout has them."""
    channels = part.shape("encoder.conv_in.weight", 4)[0]
    widths = []
    for level in range(part.count("encoder.down.", ".block.0.conv1.weight")):
        widths.append(part.shape(f"encoder.down.{level}.block.0.conv1.weight", 4)[0])
        if f"encoder.down.{level}.attn.0.q.weight" in part:
            raise part.unknown("it has attention outside its middle")
    if not widths or any(width % channels for width in widths):
        raise part.unknown(f"the widths of its levels, {widths}, are no multiples of {channels}")
    sizes = AutoencoderSizes(
        channels=channels,
        channel_mult=tuple(width // channels for width in widths),
        res_blocks=part.count("encoder.down.0.block.", ".conv1.weight"),
        latent_channels=part.shape("decoder.conv_in.weight", 4)[1],
        scale_factor=scale_factor,
    )
    part.check(_layout(sizes))
    return sizes


def _layout(sizes: AutoencoderSizes) -> Layout:
    """Every tensor of an autoencoder of these sizes."""
    latent, widths = sizes.latent_channels, [sizes.channels * multiple for multiple in sizes.channel_mult]
    yield from weights("encoder.conv_in", sizes.channels, 3, 3, 3)
    width = sizes.channels
    for level, following in enumerate(widths):
        for i in range(sizes.res_blocks):
            yield from _res_block(f"encoder.down.{level}.block.{i}", width, following)
            width = following
        if level != len(widths) - 1:
            yield from weights(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from _middle("encoder.mid", width)
    yield from weights("encoder.norm_out", width)
    yield from weights("encoder.conv_out", 2 * latent, width, 3, 3)
    yield from weights("quant_conv", 2 * latent, 2 * latent, 1, 1)
    yield from weights("post_quant_conv", latent, latent, 1, 1)
    yield from weights("decoder.conv_in", width, latent, 3, 3)
    yield from _middle("decoder.mid", width)
    for level, following in reversed(list(enumerate(widths))):
        for i in range(sizes.res_blocks + 1):
            yield from _res_block(f"decoder.up.{level}.block.{i}", width, following)
            width = following
        if level:
            yield from weights(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from weights("decoder.norm_out", width)
    yield from weights("decoder.conv_out", 3, width, 3, 3)


def _res_block(name: str, width_in: int, width_out: int) -> Layout:
    yield from weights(f"{name}.norm1", width_in)
    yield from weights(f"{name}.conv1", width_out, width_in, 3, 3)
    yield from weights(f"{name}.norm2", width_out)
    yield from weights(f"{name}.conv2", width_out, width_out, 3, 3)
    if width_in != width_out:
        yield from weights(f"{name}.nin_shortcut", width_out, width_in, 1, 1)


def _middle(name: str, width: int) -> Layout:
    yield from _res_block(f"{name}.block_1", width, width)
    yield from weights(f"{name}.attn_1.norm", width)
    for layer in ("q", "k", "v", "proj_out"):
        yield from weights(f"{name}.attn_1.{layer}", width, width, 1, 1)
    yield from _res_block(f"{name}.block_2", width, width)
