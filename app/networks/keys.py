"""Names: which tensor of a single-file checkpoint (CompVis' layout) each parameter of diffusers' and transformers' modules is.

Tables run from our modules' names to the file's, so nothing else of a file (EMA copies, training state) is ever looked at.
"""

from collections.abc import Collection, Iterable, Mapping

from app.models.facts import AutoencoderSizes, DenoiserSizes

DENOISER_PREFIX = "model.diffusion_model."
AUTOENCODER_PREFIX = "first_stage_model."
TEXT_PREFIXES = ("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")
"""The second one is what checkpoints saved with very old versions of transformers have."""

_DENOISER_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_AUTOENCODER_RESNET = {"conv_shortcut": "nin_shortcut"}
_AUTOENCODER_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def denoiser_keys(names: Iterable[str], sizes: DenoiserSizes) -> dict[str, str]:
    """UNet2DConditionModel's parameter names to those of CompVis' `openaimodel`, in the file."""
    table = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        **_inside("mid_block.resnets.0", "middle_block.0", _DENOISER_RESNET),
        "mid_block.attentions.0": "middle_block.1",
        **_inside("mid_block.resnets.1", "middle_block.2", _DENOISER_RESNET),
        **_denoiser_way_down(sizes),
        **_denoiser_way_up(sizes),
    }
    return {name: DENOISER_PREFIX + _translated(name, table) for name in names}


def _denoiser_way_down(sizes: DenoiserSizes) -> dict[str, str]:
    table: dict[str, str] = {}
    block = 1
    for level in range(len(sizes.channel_mult)):
        for i in range(sizes.res_blocks):
            table |= _inside(f"down_blocks.{level}.resnets.{i}", f"input_blocks.{block}.0", _DENOISER_RESNET)
            table[f"down_blocks.{level}.attentions.{i}"] = f"input_blocks.{block}.1"
            block += 1
        table[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{block}.0.op"
        block += 1
    return table


def _denoiser_way_up(sizes: DenoiserSizes) -> dict[str, str]:
    table: dict[str, str] = {}
    block = 0
    for level, attention in enumerate(reversed(sizes.attention_levels)):
        for i in range(sizes.res_blocks + 1):
            table |= _inside(f"up_blocks.{level}.resnets.{i}", f"output_blocks.{block}.0", _DENOISER_RESNET)
            table[f"up_blocks.{level}.attentions.{i}"] = f"output_blocks.{block}.1"
            block += 1
        table[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{block - 1}.{2 if attention else 1}.conv"
    return table


def autoencoder_keys(names: Iterable[str], sizes: AutoencoderSizes) -> dict[str, str]:
    """AutoencoderKL's parameter names to those of CompVis' autoencoder, in the file."""
    levels = len(sizes.channel_mult)
    table = {name: name for name in ("quant_conv", "post_quant_conv")}
    for side in ("encoder", "decoder"):
        table |= {f"{side}.conv_in": f"{side}.conv_in", f"{side}.conv_norm_out": f"{side}.norm_out", f"{side}.conv_out": f"{side}.conv_out"}
        for i in (0, 1):
            table |= _inside(f"{side}.mid_block.resnets.{i}", f"{side}.mid.block_{i + 1}", _AUTOENCODER_RESNET)
        table |= _inside(f"{side}.mid_block.attentions.0", f"{side}.mid.attn_1", _AUTOENCODER_ATTENTION)
    for level in range(levels):
        for i in range(sizes.res_blocks):
            table |= _inside(f"encoder.down_blocks.{level}.resnets.{i}", f"encoder.down.{level}.block.{i}", _AUTOENCODER_RESNET)
        table[f"encoder.down_blocks.{level}.downsamplers.0.conv"] = f"encoder.down.{level}.downsample.conv"
        numbered = levels - 1 - level  # CompVis counts the decoder's levels from the finest, diffusers in the order they run
        for i in range(sizes.res_blocks + 1):
            table |= _inside(f"decoder.up_blocks.{level}.resnets.{i}", f"decoder.up.{numbered}.block.{i}", _AUTOENCODER_RESNET)
        table[f"decoder.up_blocks.{level}.upsamplers.0.conv"] = f"decoder.up.{numbered}.upsample.conv"
    return {name: AUTOENCODER_PREFIX + _translated(name, table) for name in names}


def text_keys(names: Iterable[str], present: Collection[str]) -> dict[str, str]:
    """CLIPTextModel's parameter names to those in a file that has the names `present`."""
    probe = "embeddings.token_embedding.weight"
    prefix = next((p for p in TEXT_PREFIXES if p + probe in present), TEXT_PREFIXES[0])
    return {name: prefix + name for name in names}


def _inside(ours: str, theirs: str, parts: Mapping[str, str]) -> dict[str, str]:
    """A block's own prefix, and those of the parts in it that go by another name."""
    return {ours: theirs} | {f"{ours}.{part}": f"{theirs}.{name}" for part, name in parts.items()}


def _translated(name: str, table: Mapping[str, str]) -> str:
    """`name` with its longest prefix that the table knows exchanged."""
    words = name.split(".")
    for cut in range(len(words), 0, -1):
        if (theirs := table.get(".".join(words[:cut]))) is not None:
            return ".".join([theirs, *words[cut:]])
    raise KeyError(name)
