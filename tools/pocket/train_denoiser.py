"""Trains the denoiser together with the text encoder on cached latents: SD 1.x's schedule, noise prediction, min-SNR weights.

    python -m tools.pocket.train_denoiser --model pocket.safetensors --out stage2.safetensors --style noto --minutes 120

min-SNR: Hang et al. 2023. At the noisy end weights and noise are ours (see `Batches`).
On a CPU: OMP_NUM_THREADS=2 GOMP_SPINCOUNT=20000 (the default wastes most of a busy machine's time).
"""

import argparse
import random
from pathlib import Path

import torch

from tools.pocket.cached import add_options, make_cached
from tools.pocket.caption_pool import KEPT, full_table, small_table
from tools.pocket.checkpoint_file import TOKEN_TABLE, write_parts
from tools.pocket.denoiser import UNetModel
from tools.pocket.sizes import SIZES
from tools.pocket.start import starting_parts
from tools.pocket.text_encoder import CLIPTextModel
from tools.pocket.training import Clock, Ema, alphas_cumprod, autocast, optimizer_of

MIN_SNR_GAMMA = 5
MIN_CLEAN_WEIGHT = 0.25
"""Least weight of the error of the clean picture that a prediction means: the noise's own error hardly counts it at the noisy end."""
EMPTY_RATE = 0.1
"""Share of empty captions, for guidance."""
NOISY_FROM = 600
"""From this timestep on a picture is drawn rather than mended."""
NOISY_RATE = 0.5
"""Share of rows at such a timestep."""
MISLED_RATE = 0.5
"""Share of those whose noise hides no picture, or another one."""
SAVE_EVERY_S = 240


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint to train on; without one, fresh networks (and a useless autoencoder)")
    parser.add_argument("--size", choices=SIZES, default="small", help="of fresh networks")
    parser.add_argument("--out", type=Path, required=True, help="a checkpoint, in full precision")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-text", action="store_true", help="the text encoder stays as `train_text_encoder` left it")
    add_options(parser)
    return parser.parse_args()


class Batches:
    """Random noised latents with their captions.

    Even at the last timestep a thousandth of a picture's power is left, enough in 1024 numbers to tell the training pictures apart.
    A network trained on that alone learns to look there and not at the words, and finds nothing when drawing starts from pure
    noise. So some noisy rows hide nothing, or another picture, while what they should become is what the caption says.
    """

    def __init__(self, latents, pool, chance, size, device):
        self.latents, self.pool, self.chance, self.size, self.device = latents.to(device), pool.to(device), chance.to(device), size, device
        self.alphas = alphas_cumprod()[0].float().to(device)
        snr = self.alphas / (1 - self.alphas)
        self.weight = snr.clamp(MIN_CLEAN_WEIGHT, MIN_SNR_GAMMA) / snr
        self.empty = torch.tensor([0] + [1] * (KEPT - 1), device=device, dtype=pool.dtype)
        self.tail = torch.ones(size, 77 - KEPT, device=device, dtype=pool.dtype)

    def _share(self, rate):
        return torch.rand(self.size, device=self.device) < rate

    def draw(self):
        """(noisy latents, timesteps, token numbers (size, 77), noise, weight of each row's error)"""
        index = torch.multinomial(self.chance, self.size, replacement=True)
        clean = self.latents[index].float()
        ids = self.pool[index, torch.randint(self.pool.shape[1], (self.size,), device=self.device)]
        empty = self._share(EMPTY_RATE)
        ids = torch.where(empty[:, None], self.empty, ids)
        t = torch.where(
            self._share(NOISY_RATE),
            torch.randint(NOISY_FROM, len(self.alphas), (self.size,), device=self.device),
            torch.randint(len(self.alphas), (self.size,), device=self.device),
        )
        misled = (t >= NOISY_FROM) & self._share(MISLED_RATE) & ~empty
        hidden = torch.where(self._share(0.5)[:, None, None, None], clean.roll(1, 0), torch.zeros_like(clean))
        hidden = torch.where(misled[:, None, None, None], hidden, clean)
        a = self.alphas[t][:, None, None, None]
        noisy = a.sqrt() * hidden + (1 - a).sqrt() * torch.randn_like(clean)
        return noisy, t, torch.cat([ids, self.tail], 1).long(), (noisy - a.sqrt() * clean) / (1 - a).sqrt(), self.weight[t]


@torch.no_grad()
def told_apart(unet, text, latents, pool, device):
    """How many latents the captions alone call up: from pure noise, the picture that the first step means is nearest to the right one."""
    a, rows, right = alphas_cumprod()[0].float()[-1].to(device), range(0, len(latents), 64), 0
    flat = latents.float().flatten(1).to(device)
    for start in rows:
        part = pool[start : start + 64, 0].to(device)
        ids = torch.cat([part, torch.ones(len(part), 77 - KEPT, device=device, dtype=part.dtype)], 1).long()
        noise = torch.randn(len(part), *latents.shape[1:], device=device)
        with autocast(device):
            predicted = unet(noise, torch.full((len(part),), 999, device=device), text(ids))
        meant = (noise - (1 - a).sqrt() * predicted) / a.sqrt()
        nearest = torch.cdist(meant.flatten(1), flat).argmin(1).cpu()
        right += int((nearest == torch.arange(start, start + len(part))).sum())
    return right / len(latents)


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    cuda, device = args.device.startswith("cuda"), args.device
    clock = Clock(args.minutes, None if cuda else torch.get_num_threads())
    parts = starting_parts(args.model, args.size)
    latents, pool, used, chance = make_cached(args, parts, device)
    unet, text = UNetModel(parts.sizes).to(device), CLIPTextModel(parts.sizes.with_vocabulary(len(used) + 1)).to(device)
    unet.load_state_dict(parts.denoiser)
    text.load_state_dict(parts.text_encoder | {TOKEN_TABLE: small_table(parts.text_encoder[TOKEN_TABLE], used)})
    if not cuda:
        unet = unet.to(memory_format=torch.channels_last)
    text.requires_grad_(not args.keep_text)
    parameters = [p for network in (unet, text) for p in network.parameters() if p.requires_grad]
    optimizer, ema = optimizer_of(parameters, args.lr), Ema(parameters, args.ema)
    batches = Batches(latents, pool, chance, args.batch or (512 if cuda else 16), device)

    def save():
        ema.swap()
        state = parts.text_encoder
        if not args.keep_text:
            state = {name: value.detach().float().cpu() for name, value in text.state_dict().items()}
            state[TOKEN_TABLE] = full_table(state[TOKEN_TABLE], used, parts.sizes.vocab)
        write_parts(args.out, parts._replace(denoiser=unet.state_dict(), text_encoder=state), dtype=torch.float32)
        ema.swap()

    step, average, saved = 0, torch.zeros((), device=device), clock.elapsed
    while clock.progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = clock.rate(args.lr, final=0.01, warmup=0.03)
        noisy, t, ids, noise, weight = batches.draw()
        with autocast(device):
            predicted = unet(noisy, t, text(ids))
        loss = (weight * (predicted - noise).pow(2).mean((1, 2, 3))).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update()
        step += 1
        average = loss.detach() if step == 1 else average * 0.98 + loss.detach() * 0.02
        if step % 50 == 0 and (step <= 200 or step % (1000 if cuda else 100) == 0):
            print(f"step {step}  {clock.elapsed:.0f} s  loss {average.item():.4f}", flush=True)
        if clock.elapsed - saved > SAVE_EVERY_S:
            saved = clock.elapsed
            save()
            print(f"told apart by their captions: {told_apart(unet, text, latents, pool, device):.1%}", flush=True)
    save()
    print(f"{step} steps of {batches.size}, loss {average.item():.4f}, saved {args.out}")


if __name__ == "__main__":
    main()
