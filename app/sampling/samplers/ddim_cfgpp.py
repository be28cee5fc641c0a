"""DDIM CFG++: DDIM that goes back into the noise along the unguided prediction."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import NoiseSource, Sampler
from app.sampling.samplers.timesteps import Level, fresh_share, moved


def ddim_cfgpp(x: Tensor, levels: Sequence[Level], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """CFG++ (Chung et al. 2024, algorithm 2); its guidance scale of 0 to 1 is A1111's CFG scale over 12.5."""
    eta = options.eta or 0.0
    for level, following in pairwise(levels):
        guided, unguided = (yield level.asked(x, both=True)).unbind()
        fresh = fresh_share(level, following, eta) if eta else None
        x = moved(x, guided, level, following, towards=unguided, fresh=fresh)
        if fresh is not None:
            x = x + fresh * noise.draw()
    return x
