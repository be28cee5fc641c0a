"""DDIM: one denoiser call a step on the model's own timesteps, first order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.timesteps import Level, fresh_share, moved


def ddim(x: Tensor, levels: Sequence[Level], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Denoising diffusion implicit models (Song et al. 2020, equation 12).

    Its eta is 0 unless asked for, and s_noise is not heard.
    """
    eta = options.eta or 0.0
    for level, following in pairwise(levels):
        found = yield level.asked(x)
        fresh = fresh_share(level, following, eta) if eta else None
        x = moved(x, found, level, following, fresh=fresh)
        if fresh is not None:
            x = x + fresh * noise.draw()
    return x
