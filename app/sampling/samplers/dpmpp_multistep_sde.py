"""DPM++ 2M SDE, 2M SDE Heun and 3M SDE: one denoiser call a step on the diffusion SDE, higher order from earlier steps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import expm1, log, sqrt

from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler


def dpmpp_2m_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022b, section 5), second-order term by the midpoint rule."""
    return _second_order(x, sigmas, noise, options, heun=False)


def dpmpp_2m_sde_heun(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """SDE-DPM-Solver++(2M) with the second-order term integrated exactly, which is called its Heun variant."""
    return _second_order(x, sigmas, noise, options, heun=True)


def _second_order(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, *, heun: bool) -> Sampler:
    eta = 1.0 if options.eta is None else options.eta
    fresh = _fresh(sigmas, noise) if eta else None
    earlier: Tensor | None = None
    last_h = 0.0
    for sigma, following in pairwise(sigmas):
        denoised = yield Denoise(x, sigma)
        if following == 0:
            return denoised
        h = log(sigma / following)
        kept = -expm1(-h * (1 + eta))  # the share of the step that comes from the denoised latents
        x = x * (1 - kept) + denoised * kept
        if earlier is not None:
            weight = 1 - kept / (h * (1 + eta)) if heun else kept / 2
            x = x + (denoised - earlier) * (weight * h / last_h)
        if fresh is not None:
            x = x + next(fresh) * (following * sqrt(-expm1(-2 * h * eta)) * options.s_noise)
        earlier, last_h = denoised, h
    return x


def dpmpp_3m_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """The third-order multistep solver of the same family (Gonzalez et al. 2023 derive its like), from two earlier steps."""
    eta = 1.0 if options.eta is None else options.eta
    fresh = _fresh(sigmas, noise) if eta else None
    earlier: list[tuple[Tensor, float]] = []
    for sigma, following in pairwise(sigmas):
        denoised = yield Denoise(x, sigma)
        if following == 0:
            return denoised
        h = log(sigma / following)
        length = h * (1 + eta)
        x = denoised + (x - denoised) * (1 + expm1(-length))
        x = x + _correction(denoised, earlier, h, length) if earlier else x
        if fresh is not None:
            x = x + next(fresh) * (following * sqrt(-expm1(-2 * h * eta)) * options.s_noise)
        earlier = [(denoised, h), *earlier[:1]]
    return x


def _correction(denoised: Tensor, earlier: list[tuple[Tensor, float]], h: float, length: float) -> Tensor:
    """What slope and, with two earlier steps, curvature of the denoised latents add (phi functions of exponential integrators)."""
    phi_2 = expm1(-length) / length + 1
    (before, h_before), *rest = earlier
    slope = (denoised - before) * (h / h_before)
    if not rest:
        return slope * phi_2
    (long_before, h_long_before) = rest[0]
    ratio, ratio_before = h_before / h, h_long_before / h
    curvature = (slope - (before - long_before) / ratio_before) / (ratio + ratio_before)
    return (slope + curvature * ratio) * phi_2 - curvature * (phi_2 / length - 0.5)


def _fresh(sigmas: Sequence[float], noise: SeededNoise) -> Iterator[Tensor]:
    return noise.increments(min(s for s in sigmas if s > 0), max(sigmas), [step for step in pairwise(sigmas) if step[1] > 0])
