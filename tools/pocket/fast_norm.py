"""GroupNorm for training on a CPU in bfloat16 and channels-last, where the built-in backward pass is several times slower.

Same parameters, same result to rounding. It is a speed-up of training only; nothing in the checkpoint knows of it.
"""

import torch
from torch import nn


def sums(t):
    return t.sum(1, dtype=torch.float32)


class GroupNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        b, c, h, w = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(b, h * w, c)
        count, width = h * w * (c // groups), c // groups
        mean = sums(flat).view(b, groups, -1).sum(2) / count
        square = sums(flat * flat).view(b, groups, -1).sum(2) / count
        rstd = ((square - mean * mean).clamp_min(0) + eps).rsqrt().repeat_interleave(width, 1)
        mean = mean.repeat_interleave(width, 1)
        gain = rstd * weight
        y = torch.addcmul((bias - mean * gain)[:, None].to(x.dtype), flat, gain[:, None].to(x.dtype))
        ctx.save_for_backward(flat, weight, rstd, mean)
        ctx.shape = b, c, h, w, groups
        return y.view(b, h, w, c).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, grad):
        flat, weight, rstd, mean = ctx.saved_tensors
        b, c, h, w, groups = ctx.shape
        count, width = h * w * (c // groups), c // groups
        g = grad.permute(0, 2, 3, 1).reshape(b, h * w, c)
        g_sum = sums(g)
        g_xhat = (sums(g * flat) - mean * g_sum) * rstd
        mean_g = (weight * g_sum).view(b, groups, -1).sum(2).repeat_interleave(width, 1) / count
        mean_gx = (weight * g_xhat).view(b, groups, -1).sum(2).repeat_interleave(width, 1) / count
        a, k, d = weight * rstd, -rstd * rstd * mean_gx, -rstd * mean_g + rstd * rstd * mean_gx * mean
        dx = torch.addcmul(torch.addcmul(d[:, None].to(g.dtype), flat, k[:, None].to(g.dtype)), g, a[:, None].to(g.dtype))
        return dx.view(b, h, w, c).permute(0, 3, 1, 2), g_xhat.sum(0), g_sum.sum(0), None, None


class FastGroupNorm(nn.GroupNorm):
    def forward(self, x):
        if not torch.is_grad_enabled() or x.device.type != "cpu":
            return super().forward(x)
        x = x.contiguous(memory_format=torch.channels_last)
        return GroupNormFunction.apply(x, self.weight, self.bias, self.num_groups, self.eps)


def norm(channels, eps=1e-6):
    """32 groups, as everywhere in SD 1.x."""
    return FastGroupNorm(32, channels, eps=eps)
