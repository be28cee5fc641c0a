"""Scaled dot-product attention that also trains fast on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
    """(batch, heads, tokens, width) each; spelled out for training on a CPU, where the fused backward pass is very slow."""
    if torch.is_grad_enabled() and q.device.type == "cpu":
        b, h, n, d = q.shape
        q, k, v = (t.reshape(b * h, -1, d) for t in (q * d**-0.5, k, v))
        scores = torch.bmm(q, k.transpose(1, 2))
        if causal:
            scores = scores + torch.full((n, n), float("-inf"), dtype=scores.dtype).triu(1)
        weights = scores.softmax(-1, dtype=torch.bfloat16 if q.dtype == torch.bfloat16 else None)
        return torch.bmm(weights, v).view(b, h, n, d)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
