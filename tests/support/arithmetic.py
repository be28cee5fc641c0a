"""Whether this machine rounds as the one that A1111's numbers were recorded on."""

import hashlib

import torch
import torch.nn.functional as F

SAME_ARITHMETIC = torch.__version__.startswith("2.13.") and torch.backends.cpu.get_cpu_capability() == "AVX512"
"""The same torch with the same vector instructions, which decide the last place of logarithms and exponentials: then every number that
is made one by one must be A1111's, bit for bit."""

_SUMS = "a59ea94ce297173b"


def _probe() -> str:
    """A digest of some matrix products and convolutions: libraries add up in another order on another make of processor."""
    x = torch.arange(2 * 64 * 8 * 8, dtype=torch.float32).mul(0.37).sin().view(2, 64, 8, 8)
    weight = torch.arange(64 * 64 * 9, dtype=torch.float32).mul(0.73).sin().view(64, 64, 3, 3)
    tokens = x.flatten(2).transpose(1, 2).contiguous()
    made = [
        F.conv2d(x, weight, padding=1),
        F.conv2d(x.contiguous(memory_format=torch.channels_last), weight, padding=1).contiguous(),
        F.linear(tokens, weight[:, :, 0, 0].contiguous()),
        F.scaled_dot_product_attention(tokens[:, None], tokens[:, None], tokens[:, None]),
        F.group_norm(x, 32),
    ]
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in made)).hexdigest()[:16]


SAME_SUMS = SAME_ARITHMETIC and torch.get_num_threads() == 1 and _probe() == _SUMS
"""And in one thread on such a processor, as there: then sums run in the same order, and what networks answer must be A1111's too."""
