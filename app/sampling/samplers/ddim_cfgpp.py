"""DDIM CFG++: DDIM that goes back into the noise along the unguided prediction."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, levels


def ddim_cfgpp(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """CFG++ (Chung et al. 2024, algorithm 2) in sigmas; its guidance scale of 0 to 1 is A1111's CFG scale over 12.5."""
    eta = options.eta or 0.0
    for sigma, following in pairwise(levels(sigmas, x)):
        guided, unguided = (yield Denoise(x, float(sigma), both=True)).unbind()
        down, up = ancestral_split(sigma, following, eta)
        x = guided + (x - unguided) * (down / sigma)
        if eta:
            x = x + noise.draw() * up
    return x
