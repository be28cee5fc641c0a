"""Names: which tensor of a single-file checkpoint (CompVis' layout) each parameter of diffusers' and transformers' modules is.

Tables run from our modules' names to the file's, so nothing else of a file (EMA copies, training state) is ever looked at.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from app.models.facts import AutoencoderSizes, DenoiserSizes, TextSizes

DENOISER_PREFIX = "model.diffusion_model."
AUTOENCODER_PREFIX = "first_stage_model."


class Stored(NamedTuple):
    """Where a parameter's numbers stand in a file."""

    name: str
    third: int | None = None
    """Which third of the tensor's rows it is (OpenCLIP's queries, keys and values); None: all of them."""
    transposed: bool = False


_DENOISER_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_AUTOENCODER_RESNET = {"conv_shortcut": "nin_shortcut"}
_AUTOENCODER_ATTENTION = {
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
    "query": "q", "key": "k", "value": "v", "proj_attn": "proj_out",
}  # fmt: skip
"""The second row: what diffusers called them in 2022."""


class Blocks(NamedTuple):
    """How many blocks a UNet or autoencoder has: all that names depend on."""

    levels: int
    res_blocks: int
    attention_levels: tuple[bool, ...]
    """Of a UNet, from the finest."""


def denoiser_keys(names: Iterable[str], sizes: DenoiserSizes) -> dict[str, str]:
    """UNet2DConditionModel's parameter names to those of CompVis' `openaimodel`, in the file."""
    table = _denoiser_table(Blocks(len(sizes.channel_mult), sizes.res_blocks, sizes.attention_levels))
    return {name: DENOISER_PREFIX + _translated(name, table) for name in names}


def denoiser_names(name: str, blocks: Blocks) -> str:
    """What CompVis calls a parameter of diffusers' UNet; KeyError for one that it has not."""
    return _translated(name, _denoiser_table(blocks))


@lru_cache(maxsize=4)
def _denoiser_table(blocks: Blocks) -> Mapping[str, str]:
    return {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "class_embedding.linear_1": "label_emb.0.0",
        "class_embedding.linear_2": "label_emb.0.2",
        "add_embedding.linear_1": "label_emb.0.0",  # as SDXL's is called in files
        "add_embedding.linear_2": "label_emb.0.2",
        **_inside("mid_block.resnets.0", "middle_block.0", _DENOISER_RESNET),
        "mid_block.attentions.0": "middle_block.1",
        **_inside("mid_block.resnets.1", "middle_block.2", _DENOISER_RESNET),
        **_denoiser_way_down(blocks),
        **_denoiser_way_up(blocks),
    }


def _denoiser_way_down(sizes: Blocks) -> dict[str, str]:
    table: dict[str, str] = {}
    block = 1
    for level in range(sizes.levels):
        for i in range(sizes.res_blocks):
            table |= _inside(f"down_blocks.{level}.resnets.{i}", f"input_blocks.{block}.0", _DENOISER_RESNET)
            table[f"down_blocks.{level}.attentions.{i}"] = f"input_blocks.{block}.1"
            block += 1
        table[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{block}.0.op"
        block += 1
    return table


def _denoiser_way_up(sizes: Blocks) -> dict[str, str]:
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
    table = _autoencoder_table(Blocks(len(sizes.channel_mult), sizes.res_blocks, ()))
    return {name: AUTOENCODER_PREFIX + _translated(name, table) for name in names}


def autoencoder_names(name: str, blocks: Blocks) -> str:
    """What CompVis calls a parameter of diffusers' autoencoder; KeyError for one that it has not."""
    return _translated(name, _autoencoder_table(blocks))


@lru_cache(maxsize=4)
def _autoencoder_table(sizes: Blocks) -> Mapping[str, str]:
    levels = sizes.levels
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
    return table


_OPENCLIP_LAYER = {
    "self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip
_OPENCLIP = {
    "embeddings.token_embedding.weight": Stored("token_embedding.weight"),
    "embeddings.position_embedding.weight": Stored("positional_embedding"),
    "final_layer_norm.weight": Stored("ln_final.weight"),
    "final_layer_norm.bias": Stored("ln_final.bias"),
    "text_projection.weight": Stored("text_projection", transposed=True),
}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def text_keys(names: Iterable[str], sizes: TextSizes) -> dict[str, Stored]:
    """CLIPTextModel's parameter names (CLIPTextModelWithProjection's, where it has a pooled output) to those in the file."""
    taken = _of_openclip if sizes.layout == "openclip" else _of_transformers
    return {name: taken(name.removeprefix("text_model."), sizes.prefix) for name in names}


def _of_transformers(name: str, prefix: str) -> Stored:
    return Stored((prefix.removesuffix("text_model.") if name.startswith("text_projection.") else prefix) + name)


def _of_openclip(name: str, prefix: str) -> Stored:
    if (plain := _OPENCLIP.get(name)) is not None:
        return plain._replace(name=prefix + plain.name)
    match = _LAYER.fullmatch(name)
    if match is None:
        raise KeyError(name)
    number, layer, kind = match.groups()
    block = f"{prefix}transformer.resblocks.{number}."
    if layer in _OPENCLIP_LAYER:
        return Stored(f"{block}{_OPENCLIP_LAYER[layer]}.{kind}")
    third = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj").index(layer)
    return Stored(f"{block}attn.in_proj_{kind}", third)


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
