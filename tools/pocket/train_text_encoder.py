"""Teaches the text encoder to foretell the pictures, before the denoiser learns to listen to it.

    python -m tools.pocket.train_text_encoder --model pocket.safetensors --out told.safetensors --style noto --variants 1 --minutes 10

What a denoiser's attention reads at the end tokens is then no name that it must look up, but the picture's own main features: those of
similar pictures are similar, and what is learned from one serves all. It costs a thousandth of the denoiser's work for each caption.
Two sets of end tokens, by their position, tell different things, from which linear layers (thrown away afterwards) read them:
a cell of the picture each, and the coefficients of the whole picture's principal components.
"""

import argparse
import math
import random
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.pocket.cached import add_options, make_cached
from tools.pocket.caption_pool import KEPT, full_table, small_table
from tools.pocket.checkpoint_file import TOKEN_TABLE, write_parts
from tools.pocket.start import starting_parts
from tools.pocket.text_encoder import CLIPTextModel
from tools.pocket.training import Clock, autocast, optimizer_of

CELL = 4
"""Latent pixels that an end token tells of, both ways: 4 x 4 of 4 channels make 64 numbers, which fit into its 96."""
WHOLE = 84
"""Principal components, which fit there too."""
PLACE_WEIGHT = 1.6
"""Of the error in telling which cell a token speaks of."""


class Targets(NamedTuple):
    """What is to be told of every latent, at about unit deviation."""

    cells: Tensor
    """(n, cells, channels x CELL x CELL)"""
    whole: Tensor
    """(n, at most WHOLE): scaled by the root of each component's deviation, so that the fine ones count a little."""
    deviation: Tensor
    scale: Tensor
    axes: Tensor
    """(at most WHOLE, numbers of a latent)"""

    @classmethod
    def of(cls, latents: Tensor) -> "Targets":
        """From (n, channels, height, width) float, without their mean."""
        n, deviation = len(latents), latents.std()
        cells = F.unfold(latents, CELL, stride=CELL).transpose(1, 2) / deviation
        left, sizes, axes = torch.linalg.svd(latents.flatten(1), full_matrices=False)
        spread = (sizes[:WHOLE] / math.sqrt(n)).sqrt()
        scale = spread * spread.mean()
        return cls(cells, left[:, :WHOLE] * sizes[:WHOLE] / scale, deviation, scale, axes[:WHOLE])


class Foretelling(nn.Module):
    """The text encoder with the layers that read its end tokens."""

    def __init__(self, text: CLIPTextModel, width: int, targets: Targets):
        super().__init__()
        self.text, self.cells = text, targets.cells.shape[1]
        self.numbers = targets.cells.shape[2]
        self.cell_head, self.whole_head = nn.Linear(width, self.numbers + self.cells), nn.Linear(width, targets.whole.shape[1])

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From token numbers (n, 77): cells (n, cells, numbers), their places (n, cells, cells), whole (n, tokens, at most WHOLE)."""
        states = self.text(ids).float()
        told = self.cell_head(states[:, KEPT : KEPT + self.cells])
        return told[..., : self.numbers], told[..., self.numbers :], self.whole_head(states[:, KEPT + self.cells :])


def with_end_tokens(ids: Tensor) -> Tensor:
    """Rows of KEPT token numbers filled up to 77."""
    return F.pad(ids, (0, 77 - KEPT), value=1).long()


@torch.no_grad()
def told_apart(model: Foretelling, latents: Tensor, pool: Tensor, targets: Targets) -> tuple[float, float]:
    """Shares of latents that are nearest to what one of their captions tells: by the cells, by the whole."""
    flat, right = latents.flatten(1), [0, 0]
    for start in range(0, len(latents), 64):
        cells, _, whole = model(with_end_tokens(pool[start : start + 64, 0]))
        joined = F.fold(cells.transpose(1, 2) * targets.deviation, latents.shape[2:], CELL, stride=CELL).flatten(1)
        for i, meant in enumerate((joined, (whole.mean(1) * targets.scale) @ targets.axes)):
            nearest = torch.cdist(meant, flat).argmin(1)
            right[i] += int((nearest == torch.arange(start, start + len(nearest), device=nearest.device)).sum())
    return right[0] / len(latents), right[1] / len(latents)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint to train on")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint with the new text encoder, in full precision")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    add_options(parser)
    return parser.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    device = args.device
    clock = Clock(args.minutes, None if device.startswith("cuda") else torch.get_num_threads())
    parts = starting_parts(args.model, "small")
    cached = make_cached(args, parts, device)
    latents = cached.latents.float().to(device)
    latents -= latents.mean(0, keepdim=True)
    pool, chance, targets = cached.pool.to(device), cached.chance.to(device), Targets.of(latents)
    text = CLIPTextModel(parts.sizes.with_vocabulary(len(cached.used) + 1))
    text.load_state_dict(parts.text_encoder | {TOKEN_TABLE: small_table(parts.text_encoder[TOKEN_TABLE], cached.used)})
    model = Foretelling(text, parts.sizes.text_width, targets).to(device)
    optimizer, places = optimizer_of(list(model.parameters()), args.lr), torch.eye(model.cells, device=device)
    whole_variance, step, average = targets.whole.var(), 0, torch.zeros(2, device=device)
    while clock.progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = clock.rate(args.lr)
        index = torch.multinomial(chance, args.batch, replacement=True)
        ids = pool[index, torch.randint(pool.shape[1], (args.batch,), device=device)]
        with autocast(device):
            cells, place, whole = model(with_end_tokens(ids))
        of_cells = (cells.float() - targets.cells[index]).pow(2).mean()
        of_whole = (whole.float() - targets.whole[index][:, None]).pow(2).mean() / whole_variance
        (of_cells + of_whole + PLACE_WEIGHT * (place.float() - places).pow(2).mean()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        errors = torch.stack([of_cells, of_whole]).detach()
        average = errors if step == 1 else average * 0.98 + errors * 0.02
        if step % 500 == 0:
            told = "told apart by cells {:.1%}, by the whole {:.1%}".format(*told_apart(model, latents, pool, targets))
            print(f"step {step}  {clock.elapsed:.0f} s  unexplained {average[0]:.3f} {average[1]:.3f}  {told}", flush=True)
    state = {name: value.detach().float().cpu() for name, value in text.state_dict().items()}
    state[TOKEN_TABLE] = full_table(state[TOKEN_TABLE], cached.used, parts.sizes.vocab)
    write_parts(args.out, parts._replace(text_encoder=state), dtype=torch.float32)
    print(f"{step} steps of {args.batch}, saved {args.out}")


if __name__ == "__main__":
    main()
