"""DPM++ 2M SDE, 2M SDE Heun and 3M SDE: one denoiser call a step on the diffusion SDE, higher order from earlier steps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from app.sampling.brownian import SeededNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler
from app.sampling.samplers.steps import levels, time_of

_Earlier = list[tuple[Tensor, Tensor]]
"""Answers of earlier steps and these steps' lengths, newest first."""


def dpmpp_2m_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022b, section 5), second-order term by the midpoint rule."""
    return _second_order(x, sigmas, noise, options, heun=False)


def dpmpp_2m_sde_heun(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """SDE-DPM-Solver++(2M) with the second-order term integrated exactly, which is called its Heun variant."""
    return _second_order(x, sigmas, noise, options, heun=True)


def _second_order(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions, *, heun: bool) -> Sampler:
    eta = 1.0 if options.eta is None else options.eta
    fresh = _fresh(sigmas, noise) if eta else None
    earlier: _Earlier = []
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        if following == 0:
            return denoised
        h = time_of(following) - time_of(sigma)
        eta_h = eta * h
        kept = (-h - eta_h).expm1().neg()  # the share of the step that comes from the denoised latents
        x = following / sigma * (-eta_h).exp() * x + kept * denoised
        if earlier:
            before, h_before = earlier[0]
            weight = kept / (-h - eta_h) + 1 if heun else 0.5 * kept
            x = x + weight * (1 / (h_before / h)) * (denoised - before)
        if fresh is not None:
            x = x + next(fresh) * following * (-2 * eta_h).expm1().neg().sqrt() * options.s_noise
        earlier = [(denoised, h)]
    return x


def dpmpp_3m_sde(x: Tensor, sigmas: Sequence[float], noise: SeededNoise, options: SamplerOptions) -> Sampler:
    """The third-order multistep solver of the same family (Gonzalez et al. 2023 derive its like), from two earlier steps."""
    eta = 1.0 if options.eta is None else options.eta
    fresh = _fresh(sigmas, noise) if eta else None
    earlier: _Earlier = []
    for sigma, following in pairwise(levels(sigmas, x)):
        denoised = yield Denoise(x, float(sigma))
        if following == 0:
            return denoised
        h = time_of(following) - time_of(sigma)
        length = h * (eta + 1)
        x = (-length).exp() * x + (-length).expm1().neg() * denoised
        x = _corrected(x, denoised, earlier, h, length) if earlier else x
        if fresh is not None:
            x = x + next(fresh) * following * (-2 * h * eta).expm1().neg().sqrt() * options.s_noise
        earlier = [(denoised, h), *earlier[:1]]
    return x


def _corrected(x: Tensor, denoised: Tensor, earlier: _Earlier, h: Tensor, length: Tensor) -> Tensor:
    """With what slope and, with two earlier steps, curvature of the denoised latents add (phi functions of exponential integrators)."""
    phi_2 = length.neg().expm1() / length + 1
    (before, h_before), *rest = earlier
    ratio = h_before / h
    slope = (denoised - before) / ratio
    if not rest:
        return x + phi_2 * slope
    long_before, h_long_before = rest[0]
    ratio_before = h_long_before / h
    bend = slope - (before - long_before) / ratio_before
    curvature = bend / (ratio + ratio_before)
    phi_3 = phi_2 / length - 0.5
    return x + phi_2 * (slope + bend * ratio / (ratio + ratio_before)) - phi_3 * curvature


def _fresh(sigmas: Sequence[float], noise: SeededNoise) -> Iterator[Tensor]:
    return noise.increments(min(s for s in sigmas if s > 0), max(sigmas), [step for step in pairwise(sigmas) if step[1] > 0])
