"""Trains the autoencoder on random crops, then makes its latents unit-variance under SD's factor 0.18215."""

import argparse
import random
from pathlib import Path

import torch

from tools.pocket.autoencoder import AutoencoderKL, VaeAttention, VaeDown, VaeResBlock, VaeUp
from tools.pocket.checkpoint_file import write_parts
from tools.pocket.pictures import BACKGROUNDS, DATA, compose, load_data
from tools.pocket.sizes import SIZES
from tools.pocket.start import starting_parts
from tools.pocket.training import Clock, Ema, autocast


def edges(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def make_batch(rgba, batch, crop, device):
    picked = rgba[torch.randint(len(rgba), (batch,))].to(device)
    plain = torch.tensor(list(BACKGROUNDS.values()))[torch.randint(len(BACKGROUNDS), (batch,))]
    anything = torch.randint(0, 256, (batch, 3))
    kind = torch.rand(batch, 1)
    background = torch.where(kind < 0.4, torch.full_like(anything, 255), torch.where(kind < 0.75, plain, anything))
    x = compose(picked, background, scale=random.choice((1.0, 0.95, 0.9, 0.85)))
    size = x.shape[-1]
    if crop < size:
        top, left = random.randint(0, size - crop), random.randint(0, size - crop)
        x = x[..., top : top + crop, left : left + crop]
    if random.random() < 0.5:
        x = x.flip(-1)
    return x.contiguous()


@torch.no_grad()
def gentle_start(model, x):
    """Start near a plain shrink-and-enlarge network, with latents and output of sensible size; it learns far sooner."""
    for layer in model.modules():
        if isinstance(layer, VaeResBlock):
            layer.conv2.weight *= 0.1
            layer.conv2.bias.zero_()
            if not layer.same:
                torch.nn.init.orthogonal_(layer.nin_shortcut.weight)
        elif isinstance(layer, VaeAttention):
            layer.proj_out.weight *= 0.1
        elif isinstance(layer, VaeUp):
            torch.nn.init.dirac_(layer.conv.weight).add_(torch.randn_like(layer.conv.weight) * 0.01)
        elif isinstance(layer, VaeDown):
            torch.nn.init.dirac_(layer.conv.weight)
            middle = layer.conv.weight[:, :, 1, 1].clone() * 0.25
            layer.conv.weight.copy_(torch.randn_like(layer.conv.weight) * 0.01)
            layer.conv.weight[:, :, :2, :2] += middle[:, :, None, None]
    z = model.cfg.z
    model.quant_conv.weight[z:] *= 0.1
    model.quant_conv.bias[z:] = -6  # hardly any sampling noise at first: it would drown the small first latents
    mean, _ = model.encode(x)
    model.quant_conv.weight[:z] /= mean.std()
    y = model.decode(model.encode(x)[0])
    model.decoder.conv_out.weight *= 0.5 / y.std()


@torch.no_grad()
def normalise(model, rgba, cfg, device, count=512):
    """Fold a per-channel shift and scale into the two 1x1 convolutions: latent * 0.18215 has mean 0 and deviation 1."""
    means = []
    for _ in range(0, count, 32):
        x = make_batch(rgba, 32, rgba.shape[1], device)
        with autocast(device):
            means.append(model.encode(x)[0].float().cpu())
    z = torch.cat(means)
    mu, sd = z.mean((0, 2, 3)).to(device), z.std((0, 2, 3)).to(device)
    gain = 1 / (sd * cfg.scale_factor)
    q, p = model.quant_conv, model.post_quant_conv
    p.bias += (p.weight[:, :, 0, 0] * mu).sum(1)
    p.weight /= gain[None, :, None, None]
    q.weight[: cfg.z] *= gain[:, None, None, None]
    q.bias[: cfg.z] = (q.bias[: cfg.z] - mu) * gain
    q.bias[cfg.z :] += 2 * gain.log()
    print("latent mean", mu.tolist(), "deviation", sd.tolist())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True, help="a checkpoint, in full precision")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--batch", type=int, help="pictures a step (8 on a CPU, 64 on a GPU)")
    parser.add_argument("--crop", type=int, help="side of the random crops (64 on a CPU, whole pictures on a GPU)")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--kl", type=float, default=2e-5)
    parser.add_argument("--resume", type=Path, help="a checkpoint whose autoencoder is trained on")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)

    parts, device = starting_parts(args.resume, args.size), args.device
    cfg = parts.sizes
    cuda = device.startswith("cuda")
    batch, crop = args.batch or (64 if cuda else 8), args.crop or (128 if cuda else 64)
    rgba, _ = load_data(args.data)
    if device != "cpu":
        rgba = rgba.to(device)
    model = AutoencoderKL(cfg).to(device, memory_format=torch.channels_last)
    gentle_start(model, make_batch(rgba, 4, rgba.shape[1], device))
    if args.resume:
        model.load_state_dict(parts.autoencoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    ema = Ema(model.parameters(), 0.995)

    def step_loss(x):
        mean, logvar = model.encode(x)
        z = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        y = model.decode(z)
        rec = (y - x).abs().mean()
        edge = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x), strict=True))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return rec + (y - x).pow(2).mean() + 0.5 * edge + args.kl * kl, rec, kl

    def plan(progress):
        """Batch and side: crops are cheap; whole pictures, ever more often, are what it is for."""
        whole = random.random() < (0.2 if progress < 0.5 else 0.7)
        return (max(2, batch // 4), rgba.shape[1]) if whole and crop < rgba.shape[1] else (batch, crop)

    clock, step, mean_rec, saved = Clock(args.minutes, None if cuda else torch.get_num_threads()), 0, 0.0, 0.0
    while clock.progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = clock.rate(args.lr, warmup=0.008)
        x = make_batch(rgba, *plan(clock.progress), device).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            loss, rec, kl = step_loss(x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update()
        step += 1
        if step % 10 == 0:
            mean_rec = rec.item() if step == 10 else 0.9 * mean_rec + 0.1 * rec.item()
        if step % 100 == 0 or step in (20, 50):
            print(f"step {step}  {clock.elapsed:.0f} s  L1 {mean_rec:.4f}  KL {kl.item():.2f}", flush=True)
        if clock.elapsed - saved > 240:
            saved = clock.elapsed
            write_parts(args.out, parts._replace(autoencoder=model.state_dict()), dtype=torch.float32)
    ema.swap()
    normalise(model, rgba, cfg, device)
    write_parts(args.out, parts._replace(autoencoder=model.state_dict()), dtype=torch.float32)
    print(f"{step} steps, saved {args.out}")


if __name__ == "__main__":
    main()
