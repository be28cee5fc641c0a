"""The training pictures: emoji with alpha, laid over coloured backgrounds."""

import json
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parent / "emoji.npz"
BACKGROUNDS = {
    "white": (255, 255, 255),
    "light blue": (200, 228, 250),
    "pink": (252, 205, 222),
    "yellow": (255, 238, 160),
    "green": (190, 232, 190),
    "purple": (220, 200, 245),
    "orange": (255, 210, 160),
    "gray": (205, 208, 212),
    "blue": (110, 170, 240),
    "red": (240, 130, 125),
    "black": (30, 30, 36),
}


def load_data(path):
    data = np.load(path)
    return torch.from_numpy(data["rgba"]), json.loads(str(data["records"]))


def compose(rgba, background, scale=1.0, shift=(0, 0)):
    """uint8 [B, H, W, 4] over one colour a picture ([B, 3], 0..255) -> float [B, 3, H, W] in -1..1.

    `scale` shrinks the pictures about the middle, `shift` then moves them by whole pixels.
    """
    x = rgba.permute(0, 3, 1, 2).float() / 255
    alpha = x[:, 3:]
    x = torch.cat([x[:, :3] * alpha, alpha], 1)  # premultiplied, so that resizing does not bleed
    size = x.shape[-1]
    inner = round(size * scale)
    if inner != size:
        x = torch.nn.functional.interpolate(x, size=(inner, inner), mode="bilinear", antialias=True, align_corners=False)
    room = size - inner
    left, top = room // 2 + shift[0], room // 2 + shift[1]
    left, top = min(max(left, 0), room), min(max(top, 0), room)
    x = torch.nn.functional.pad(x, (left, room - left, top, room - top))
    background = background.to(x.device).float()[:, :, None, None] / 255
    return (x[:, :3] + background * (1 - x[:, 3:])) * 2 - 1


def choose(rgba, records, *, style=None, labels=None, popular=False):
    """The pictures of one style, of some labels, or of the well-known concepts only; and their records."""
    keep = [
        i
        for i, record in enumerate(records)
        if (not popular or record["weight"] > 1) and (not style or record["style"] == style) and (not labels or record["label"] in labels)
    ]
    return rgba[keep], [records[i] for i in keep]
