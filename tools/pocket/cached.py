"""The training pictures as latents with their captions, made once for a training."""

import argparse
import random
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from app.prompt import Tokenizer
from tools.pocket.autoencoder import AutoencoderKL
from tools.pocket.caption_pool import caption_pool
from tools.pocket.checkpoint_file import Parts
from tools.pocket.pictures import BACKGROUNDS, DATA, choose, compose, load_data
from tools.pocket.training import autocast


class Cached(NamedTuple):
    """What is learned from."""

    latents: Tensor
    """(n, 4, height, width) float16, of unit deviation."""
    pool: Tensor
    """Captions of every latent, (n, captions, KEPT), in a vocabulary of the tokens in use."""
    used: list[int]
    """Those tokens' numbers in CLIP's vocabulary."""
    chance: Tensor
    """How often each latent is drawn, (n,)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which pictures and how many captions of them."""
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--variants", type=int, help="backgrounds a picture")
    parser.add_argument("--captions", type=int, default=8, help="captions a latent")
    parser.add_argument("--popular", action="store_true", help="only the well-known concepts")
    parser.add_argument("--names", type=Path, help="a file with one label a line: only these concepts")
    parser.add_argument("--style", help="only this style")
    parser.add_argument("--weight-power", type=float, default=1.0, help="0: well-known concepts come no more often than others")


def make_cached(args: argparse.Namespace, parts: Parts, device: str) -> Cached:
    """By the options of `add_options`; the checkpoint's autoencoder makes the latents."""
    labels = set(args.names.read_text(encoding="utf-8").lower().split("\n")) if args.names else None
    rgba, records = choose(*load_data(args.data), style=args.style, labels=labels, popular=args.popular)
    autoencoder = AutoencoderKL(parts.sizes).to(device).eval().requires_grad_(False)
    autoencoder.load_state_dict(parts.autoencoder)
    latents, owners, backgrounds = _latents(
        autoencoder, rgba, parts.sizes, args.variants or (24 if device.startswith("cuda") else 6), device
    )
    print(f"{len(records)} pictures, {len(latents)} latents, deviation {latents.float().std():.3f}", flush=True)
    pool, used = caption_pool(Tokenizer(), records, owners, backgrounds, args.captions)
    print(f"{pool.shape[0] * pool.shape[1]} captions, {len(used)} tokens in use", flush=True)
    chance = torch.tensor([records[i]["weight"] for i in owners.tolist()]) ** args.weight_power
    return Cached(latents, pool, used, chance)


@torch.no_grad()
def _latents(autoencoder, rgba, sizes, variants, device):
    """Every picture on `variants` backgrounds: fp16 latents of unit deviation, the picture's number, the colour's name."""
    names = list(BACKGROUNDS)
    latents, owners, backgrounds = [], [], []
    for variant in range(variants):
        for start in range(0, len(rgba), 32):
            part = rgba[start : start + 32].to(device)
            chosen = ["white" if variant == 0 or random.random() < 0.3 else random.choice(names) for _ in part]
            shift = (random.randint(-4, 4), random.randint(-4, 4)) if variant else (0, 0)
            scale = random.choice((0.95, 0.9, 0.85)) if variant else 0.92
            x = compose(part, torch.tensor([BACKGROUNDS[c] for c in chosen]), scale, shift)
            with autocast(device):
                mean, _ = autoencoder.encode(x)
            latents.append((mean * sizes.scale_factor).half().cpu())
            owners += range(start, start + len(part))
            backgrounds += chosen
    return torch.cat(latents), torch.tensor(owners), backgrounds
