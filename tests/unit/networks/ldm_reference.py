"""The three networks once more, written from CompVis' layout: plain functions over a file's own tensors, by the file's own names.

Independent of app.networks: no module, no table of names, no sizes. What a layer is, is seen from which tensors it has.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

GROUPS = 32


class Layers:
    """A file's tensors under a prefix, as float32."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str):
        self.tensors = {name.removeprefix(prefix): t.float() for name, t in tensors.items() if name.startswith(prefix)}

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self.tensors

    def of(self, name: str) -> tuple[Tensor, Tensor | None]:
        return self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, *self.of(name))

    def convolution(self, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
        weight, bias = self.of(name)
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2 if padding is None else padding)

    def group_norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        return F.group_norm(x, GROUPS, *self.of(name), eps)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self.of(name), 1e-5)


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool = False) -> Tensor:
    """(rows, tokens, width) each; softmax(q k / sqrt(d)) v, head by head."""
    width = q.shape[-1] // heads
    outputs = []
    for i in range(heads):
        part = slice(i * width, (i + 1) * width)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(width)
        if causal:
            scores = scores + torch.full(scores.shape[-2:], -math.inf).triu(1)
        outputs.append(scores.softmax(-1) @ v[..., part])
    return torch.cat(outputs, -1)


# ---------------------------------------------------------------- denoiser
def unet(tensors: Mapping[str, Tensor], x: Tensor, timesteps: Tensor, context: Tensor, heads: int) -> Tensor:
    """CompVis' UNetModel, with A1111's rule where the way up meets a skip connection of another size."""
    layers = Layers(tensors, "model.diffusion_model.")
    half = layers.of("time_embed.0")[0].shape[1] // 2
    angles = timesteps[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / half)
    emb = layers.linear("time_embed.0", torch.cat([angles.cos(), angles.sin()], -1))
    emb = layers.linear("time_embed.2", F.silu(emb))

    def run(block: str, x: Tensor) -> Tensor:
        part = 0
        while any(name.startswith(f"{block}.{part}.") for name in layers.tensors):
            name = f"{block}.{part}"
            if layers.has(f"{name}.in_layers.0"):
                x = residual(layers, name, x, emb)
            elif layers.has(f"{name}.proj_in"):
                x = transformer(layers, name, x, context, heads)
            elif layers.has(f"{name}.op"):
                x = layers.convolution(f"{name}.op", x, stride=2)
            elif layers.has(f"{name}.conv"):
                x = layers.convolution(f"{name}.conv", F.interpolate(x, scale_factor=2, mode="nearest"))
            else:
                x = layers.convolution(name, x)
            part += 1
        return x

    skips = []
    while any(name.startswith(f"input_blocks.{len(skips)}.") for name in layers.tensors):
        x = run(f"input_blocks.{len(skips)}", x)
        skips.append(x)
    x = run("middle_block", x)
    for i in range(len(skips)):
        skip = skips.pop()
        if x.shape[-2:] != skip.shape[-2:]:
            rows = torch.arange(skip.shape[-2]) * x.shape[-2] // skip.shape[-2]  # nearest: the source pixel's index rounded down
            columns = torch.arange(skip.shape[-1]) * x.shape[-1] // skip.shape[-1]
            x = x[:, :, rows][:, :, :, columns]
        x = run(f"output_blocks.{i}", torch.cat([x, skip], 1))
    return layers.convolution("out.2", F.silu(layers.group_norm("out.0", x, 1e-5)))


def residual(layers: Layers, name: str, x: Tensor, emb: Tensor) -> Tensor:
    h = layers.convolution(f"{name}.in_layers.2", F.silu(layers.group_norm(f"{name}.in_layers.0", x, 1e-5)))
    h = h + layers.linear(f"{name}.emb_layers.1", F.silu(emb))[:, :, None, None]
    h = layers.convolution(f"{name}.out_layers.3", F.silu(layers.group_norm(f"{name}.out_layers.0", h, 1e-5)))
    return h + (layers.convolution(f"{name}.skip_connection", x) if layers.has(f"{name}.skip_connection") else x)


def transformer(layers: Layers, name: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
    n, _, height, width = x.shape
    inner = f"{name}.transformer_blocks.0"
    h = layers.convolution(f"{name}.proj_in", layers.group_norm(f"{name}.norm", x, 1e-6)).flatten(2).transpose(1, 2)
    for norm, part, other in (("norm1", "attn1", None), ("norm2", "attn2", context)):
        query = layers.layer_norm(f"{inner}.{norm}", h)
        other = query if other is None else other
        q, k, v = (layers.linear(f"{inner}.{part}.to_{i}", t) for i, t in (("q", query), ("k", other), ("v", other)))
        h = h + layers.linear(f"{inner}.{part}.to_out.0", attention(q, k, v, heads))
    value, gate = layers.linear(f"{inner}.ff.net.0.proj", layers.layer_norm(f"{inner}.norm3", h)).chunk(2, -1)
    h = h + layers.linear(f"{inner}.ff.net.2", value * F.gelu(gate))
    return x + layers.convolution(f"{name}.proj_out", h.transpose(1, 2).reshape(n, -1, height, width))


# ---------------------------------------------------------------- autoencoder
def vae_block(layers: Layers, name: str, x: Tensor) -> Tensor:
    h = layers.convolution(f"{name}.conv1", F.silu(layers.group_norm(f"{name}.norm1", x, 1e-6)))
    h = layers.convolution(f"{name}.conv2", F.silu(layers.group_norm(f"{name}.norm2", h, 1e-6)))
    return h + (layers.convolution(f"{name}.nin_shortcut", x) if layers.has(f"{name}.nin_shortcut") else x)


def vae_middle(layers: Layers, x: Tensor) -> Tensor:
    x = vae_block(layers, "mid.block_1", x)
    normed = layers.group_norm("mid.attn_1.norm", x, 1e-6)
    q, k, v = (layers.convolution(f"mid.attn_1.{part}", normed).flatten(2).transpose(1, 2) for part in "qkv")
    mixed = attention(q, k, v, heads=1).transpose(1, 2).reshape(x.shape)
    return vae_block(layers, "mid.block_2", x + layers.convolution("mid.attn_1.proj_out", mixed))


def levels(layers: Layers, way: str) -> int:
    return 1 + max(int(name.split(".")[1]) for name in layers.tensors if name.startswith(f"{way}."))


def vae_encode(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The mean of the latent distribution."""
    layers = Layers(tensors, "first_stage_model.encoder.")
    x = layers.convolution("conv_in", x)
    for level in range(levels(layers, "down")):
        block = 0
        while layers.has(f"down.{level}.block.{block}.conv1"):
            x = vae_block(layers, f"down.{level}.block.{block}", x)
            block += 1
        if layers.has(f"down.{level}.downsample.conv"):
            x = layers.convolution(f"down.{level}.downsample.conv", F.pad(x, (0, 1, 0, 1)), stride=2, padding=0)
    x = layers.convolution("conv_out", F.silu(layers.group_norm("norm_out", vae_middle(layers, x), 1e-6)))
    return Layers(tensors, "first_stage_model.").convolution("quant_conv", x).chunk(2, 1)[0]


def vae_decode(tensors: Mapping[str, Tensor], z: Tensor) -> Tensor:
    """Pictures of unscaled latents."""
    layers = Layers(tensors, "first_stage_model.decoder.")
    x = layers.convolution("conv_in", Layers(tensors, "first_stage_model.").convolution("post_quant_conv", z))
    x = vae_middle(layers, x)
    for level in reversed(range(levels(layers, "up"))):
        block = 0
        while layers.has(f"up.{level}.block.{block}.conv1"):
            x = vae_block(layers, f"up.{level}.block.{block}", x)
            block += 1
        if layers.has(f"up.{level}.upsample.conv"):
            x = layers.convolution(f"up.{level}.upsample.conv", F.interpolate(x, scale_factor=2, mode="nearest"))
    return layers.convolution("conv_out", F.silu(layers.group_norm("norm_out", x, 1e-6)))


# ---------------------------------------------------------------- text encoder
def clip_text(tensors: Mapping[str, Tensor], ids: Tensor, heads: int, clip_skip: int) -> Tensor:
    """CLIP's text transformer (Radford et al. 2021), stopped `clip_skip - 1` layers early, through the final norm."""
    layers = Layers(tensors, "cond_stage_model.transformer.text_model.")
    x = layers.tensors["embeddings.token_embedding.weight"][ids] + layers.tensors["embeddings.position_embedding.weight"]
    count = 0
    while layers.has(f"encoder.layers.{count}.mlp.fc1"):
        count += 1
    for i in range(count - (clip_skip - 1)):
        name = f"encoder.layers.{i}"
        normed = layers.layer_norm(f"{name}.layer_norm1", x)
        q, k, v = (layers.linear(f"{name}.self_attn.{part}_proj", normed) for part in "qkv")
        x = x + layers.linear(f"{name}.self_attn.out_proj", attention(q, k, v, heads, causal=True))
        h = layers.linear(f"{name}.mlp.fc1", layers.layer_norm(f"{name}.layer_norm2", x))
        x = x + layers.linear(f"{name}.mlp.fc2", h * torch.sigmoid(1.702 * h))
    return layers.layer_norm("final_layer_norm", x)
