"""DDIM: one denoiser call a step on the model's own timesteps, first order."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, NoiseSource, Sampler
from app.sampling.samplers.steps import ancestral_split, levels


def ddim(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, options: SamplerOptions) -> Sampler:
    """Denoising diffusion implicit models (Song et al. 2020, equation 12), in sigmas: the step is then an ancestral Euler step.

    Its eta is 0 unless asked for, and s_noise is not heard.
    """
    eta = options.eta or 0.0
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        down, up = ancestral_split(sigma, following, eta)
        x = denoised + (x - denoised) * (down / sigma)
        if eta:
            x = x + noise.draw() * up
    return x
