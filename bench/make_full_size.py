#!/usr/bin/env python3
"""Writes a checkpoint with the layout and the size of Stable Diffusion 1.5 (2.1 GB) or of SDXL (6.9 GB) and random fp16 weights.

    python bench/make_full_size.py PATH.safetensors [--family sdxl] [--seed 0]

What it draws is noise, but it costs exactly what the real model costs: 859.5M numbers in the denoiser, 123M in the text
encoder, 84M in the autoencoder. Weights are scaled by the width of what they sum over and norms are the identity, so nothing
overflows in half precision. SDXL has 2,567M in the denoiser, 123M and 695M in its text encoders. Needs numpy only, and about
0.4 GB of memory.
"""

import argparse
import json
import math
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

Tensor = tuple[str, tuple[int, ...]]

CHANNELS, MULTIPLES, CONTEXT = 320, (1, 2, 4, 4), 768
AUTOENCODER_CHANNELS, AUTOENCODER_MULTIPLES, LATENT = 128, (1, 2, 4, 4), 4
TEXT_LAYERS, TEXT_MLP, VOCABULARY, POSITIONS = 12, 3072, 49408, 77


# ---------------------------------------------------------------- shapes
def layer(name: str, *shape: int, bias: bool = True) -> Iterator[Tensor]:
    """A linear layer or convolution."""
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def norm(name: str, width: int) -> Iterator[Tensor]:
    """A group or layer norm."""
    yield from layer(name, width)


def denoiser(context: int = CONTEXT, depths: tuple[int, ...] = (1, 1, 1, 0), vector: int = 0) -> Iterator[Tensor]:
    """CompVis' UNetModel: two residual blocks a level, each with a transformer of the level's depth; the middle has the deepest.

    Where it is told a vector beside the time (SDXL), projections are linear layers.
    """
    emb = 4 * CHANNELS
    yield from layer("time_embed.0", emb, CHANNELS)
    yield from layer("time_embed.2", emb, emb)
    if vector:
        yield from layer("label_emb.0.0", emb, vector)
        yield from layer("label_emb.0.2", emb, emb)
    yield from layer("input_blocks.0.0", CHANNELS, 4, 3, 3)
    skips, width, block = [CHANNELS], CHANNELS, 1
    coarsest, multiples = len(depths) - 1, MULTIPLES[: len(depths)]
    for level, multiple in enumerate(multiples):
        for _ in range(2):
            yield from residual(f"input_blocks.{block}.0", width, width := CHANNELS * multiple, emb)
            yield from transformer(f"input_blocks.{block}.1", width, depths[level], context, linear=bool(vector))
            skips.append(width)
            block += 1
        if level < coarsest:
            yield from layer(f"input_blocks.{block}.0.op", width, width, 3, 3)
            skips.append(width)
            block += 1
    yield from residual("middle_block.0", width, width, emb)
    yield from transformer("middle_block.1", width, max(depths), context, linear=bool(vector))
    yield from residual("middle_block.2", width, width, emb)
    for block in range(3 * len(multiples)):
        level = coarsest - block // 3
        yield from residual(f"output_blocks.{block}.0", width + skips.pop(), width := CHANNELS * multiples[level], emb)
        yield from transformer(f"output_blocks.{block}.1", width, depths[level], context, linear=bool(vector))
        if level and block % 3 == 2:
            yield from layer(f"output_blocks.{block}.{2 if depths[level] else 1}.conv", width, width, 3, 3)
    yield from norm("out.0", width)
    yield from layer("out.2", 4, width, 3, 3)


def residual(name: str, before: int, after: int, emb: int) -> Iterator[Tensor]:
    """CompVis' ResBlock."""
    yield from norm(f"{name}.in_layers.0", before)
    yield from layer(f"{name}.in_layers.2", after, before, 3, 3)
    yield from layer(f"{name}.emb_layers.1", after, emb)
    yield from norm(f"{name}.out_layers.0", after)
    yield from layer(f"{name}.out_layers.3", after, after, 3, 3)
    if before != after:
        yield from layer(f"{name}.skip_connection", after, before, 1, 1)


def transformer(name: str, width: int, depth: int, context: int, *, linear: bool) -> Iterator[Tensor]:
    """CompVis' SpatialTransformer; nothing for depth 0."""
    if not depth:
        return
    ones = () if linear else (1, 1)
    yield from norm(f"{name}.norm", width)
    yield from layer(f"{name}.proj_in", width, width, *ones)
    for number in range(depth):
        inner = f"{name}.transformer_blocks.{number}"
        for attention, other in (("attn1", width), ("attn2", context)):
            yield from layer(f"{inner}.{attention}.to_q", width, width, bias=False)
            yield from layer(f"{inner}.{attention}.to_k", width, other, bias=False)
            yield from layer(f"{inner}.{attention}.to_v", width, other, bias=False)
            yield from layer(f"{inner}.{attention}.to_out.0", width, width)
        yield from layer(f"{inner}.ff.net.0.proj", 8 * width, width)
        yield from layer(f"{inner}.ff.net.2", width, 4 * width)
        for i in (1, 2, 3):
            yield from norm(f"{inner}.norm{i}", width)
    yield from layer(f"{name}.proj_out", width, width, *ones)


def autoencoder() -> Iterator[Tensor]:
    """CompVis' AutoencoderKL."""
    widths = [AUTOENCODER_CHANNELS * multiple for multiple in AUTOENCODER_MULTIPLES]
    yield from layer("encoder.conv_in", widths[0], 3, 3, 3)
    width = widths[0]
    for level, after in enumerate(widths):
        for i in range(2):
            yield from autoencoder_residual(f"encoder.down.{level}.block.{i}", width, width := after)
        if level < len(widths) - 1:
            yield from layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from autoencoder_ends("encoder", width, width, 2 * LATENT)
    yield from layer("decoder.conv_in", width, LATENT, 3, 3)
    yield from autoencoder_ends("decoder", width, widths[0], 3)
    for level, after in reversed(list(enumerate(widths))):
        for i in range(3):
            yield from autoencoder_residual(f"decoder.up.{level}.block.{i}", width, width := after)
        if level:
            yield from layer(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from layer("quant_conv", 2 * LATENT, 2 * LATENT, 1, 1)
    yield from layer("post_quant_conv", LATENT, LATENT, 1, 1)


def autoencoder_residual(name: str, before: int, after: int) -> Iterator[Tensor]:
    """CompVis' ResnetBlock."""
    yield from norm(f"{name}.norm1", before)
    yield from layer(f"{name}.conv1", after, before, 3, 3)
    yield from norm(f"{name}.norm2", after)
    yield from layer(f"{name}.conv2", after, after, 3, 3)
    if before != after:
        yield from layer(f"{name}.nin_shortcut", after, before, 1, 1)


def autoencoder_ends(side: str, middle: int, last: int, out: int) -> Iterator[Tensor]:
    """The middle with its attention, and the last convolution."""
    yield from autoencoder_residual(f"{side}.mid.block_1", middle, middle)
    yield from norm(f"{side}.mid.attn_1.norm", middle)
    for part in ("q", "k", "v", "proj_out"):
        yield from layer(f"{side}.mid.attn_1.{part}", middle, middle, 1, 1)
    yield from autoencoder_residual(f"{side}.mid.block_2", middle, middle)
    yield from norm(f"{side}.norm_out", last)
    yield from layer(f"{side}.conv_out", out, last, 3, 3)


def text_encoder() -> Iterator[Tensor]:
    """The text half of CLIP ViT-L/14."""
    yield "embeddings.token_embedding.weight", (VOCABULARY, CONTEXT)
    yield "embeddings.position_embedding.weight", (POSITIONS, CONTEXT)
    for i in range(TEXT_LAYERS):
        name = f"encoder.layers.{i}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from layer(f"{name}.self_attn.{part}", CONTEXT, CONTEXT)
        yield from norm(f"{name}.layer_norm1", CONTEXT)
        yield from layer(f"{name}.mlp.fc1", TEXT_MLP, CONTEXT)
        yield from layer(f"{name}.mlp.fc2", CONTEXT, TEXT_MLP)
        yield from norm(f"{name}.layer_norm2", CONTEXT)
    yield from norm("final_layer_norm", CONTEXT)


def openclip_text_encoder(width: int = 1280, layers: int = 32) -> Iterator[Tensor]:
    """The text half of OpenCLIP ViT-bigG/14."""
    yield "token_embedding.weight", (VOCABULARY, width)
    yield "positional_embedding", (POSITIONS, width)
    for i in range(layers):
        name = f"transformer.resblocks.{i}"
        yield f"{name}.attn.in_proj_weight", (3 * width, width)
        yield f"{name}.attn.in_proj_bias", (3 * width,)
        yield from layer(f"{name}.attn.out_proj", width, width)
        yield from norm(f"{name}.ln_1", width)
        yield from layer(f"{name}.mlp.c_fc", 4 * width, width)
        yield from layer(f"{name}.mlp.c_proj", width, 4 * width)
        yield from norm(f"{name}.ln_2", width)
    yield from norm("ln_final", width)
    yield "text_projection", (width, width)


def checkpoint(family: str = "sd1") -> dict[str, tuple[int, ...]]:
    """All names and shapes."""
    if family == "sdxl":
        own = {
            "conditioner.embedders.0.transformer.text_model.": text_encoder(),
            "conditioner.embedders.1.model.": openclip_text_encoder(),
            "model.diffusion_model.": denoiser(2048, (0, 2, 10), 2816),
        }
    else:
        own = {"cond_stage_model.transformer.text_model.": text_encoder(), "model.diffusion_model.": denoiser()}
    parts = {**own, "first_stage_model.": autoencoder()}
    return {prefix + name: shape for prefix, tensors in parts.items() for name, shape in tensors}


# ---------------------------------------------------------------- numbers and file
def numbers(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """fp16 weights: embeddings as CLIP's, norms the identity, layers with unit gain."""
    if len(shape) == 1:
        return np.full(shape, 1.0 if name.endswith(".weight") else 0.0, np.float16)
    scale = 0.02 if "embedding" in name else 1.0 / math.sqrt(math.prod(shape[1:]))
    return (random.standard_normal(shape, np.float32) * np.float32(scale)).astype(np.float16)


def write(path: Path, seed: int, family: str = "sd1") -> int:
    """Writes the file (complete or not at all) and returns how many numbers it holds."""
    shapes = checkpoint(family)
    header: dict[str, object] = {}
    offset = 0
    for name, shape in shapes.items():
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.Generator(np.random.PCG64(seed))
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes.items():
            numbers(name, shape, random).tofile(file)
    partial.replace(path)
    return offset // 2


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, help="the .safetensors file to write")
    parser.add_argument("--family", choices=("sd1", "sdxl"), default="sd1")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.path.parent.mkdir(parents=True, exist_ok=True)
    total = write(args.path, args.seed, args.family)
    print(f"{args.path}: {total / 1e6:.1f}M numbers, {args.path.stat().st_size / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
